"""RADIUS accounting: what servers were told of sessions, and what waits for them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from appliance.accounting import service
from appliance.accounting.schemas import AccountingFilter
from appliance.api.dependencies import installation
from appliance.models import AccountingStatus
from appliance.schema import Paging
from webui.listing import Listing, listing
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter(prefix="/accounting")


@router.get("")
async def list_records(
    request: Request, actor: SignedIn, listed: Annotated[Listing[AccountingFilter], Depends(listing(AccountingFilter))]
) -> Response:
    """Show the records, the latest first."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("accounting", lambda part: service.page(work, listed.wanted, part))
        found = await service.page(work, listed.wanted, listed.part)
        waiting = (await service.page(work, AccountingFilter(waiting=True), Paging(limit=1))).total
    return page(
        request,
        "accounting/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        waiting=waiting,
        statuses=list(AccountingStatus),
        api=f"/accounting{listed.query}",
    )
