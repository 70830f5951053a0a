"""History: logins, logouts and failed logins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from appliance.api.dependencies import installation
from appliance.history import service as history
from appliance.history.schemas import EventFilter
from appliance.models import EventKind
from webui.listing import Listing, listing
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter(prefix="/history")


@router.get("")
async def list_events(
    request: Request, actor: SignedIn, listed: Annotated[Listing[EventFilter], Depends(listing(EventFilter))]
) -> Response:
    """Show who came, who went, and who failed to."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("history", lambda part: history.page(work, listed.wanted, part))
        found = await history.page(work, listed.wanted, listed.part)
    return page(
        request,
        "history/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        kinds=list(EventKind),
        api=f"/events{listed.query}",
    )
