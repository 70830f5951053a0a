"""Refused clients: who was turned away, why, and what would let it in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import Number, installation
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from webui.listing import Listing, listing
from webui.remedies import setting
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter(prefix="/refusals")


@router.get("")
async def list_refusals(
    request: Request, actor: SignedIn, listed: Annotated[Listing[RefusalFilter], Depends(listing(RefusalFilter))]
) -> Response:
    """Show who was turned away."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("refusals", lambda part: refusals.page(work, listed.wanted, part))
        found = await refusals.page(work, listed.wanted, listed.part)
    return page(
        request,
        "refusals/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        api=f"/refusals{listed.query}",
    )


@router.get("/{refusal_id}")
async def show_refusal(request: Request, actor: SignedIn, refusal_id: Number) -> HTMLResponse:
    """Show why a client was turned away."""
    async with installation(request).snapshot(actor) as work:
        refusal = await refusals.show(work, refusal_id)
    return page(
        request, "refusals/show.html", actor, refusal=refusal, setting=setting(refusal), api=f"/refusals/{refusal_id}"
    )
