"""Lockouts: who must wait before the next attempt to log in, and how that ends."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from appliance.api.dependencies import installation
from appliance.lockouts import service as lockouts
from appliance.lockouts.schemas import Lifting, LockoutFilter
from webui.listing import Listing, listing
from webui.rendering import back, page
from webui.security import Operating, SignedIn, own_path

router = APIRouter(prefix="/lockouts")


@router.get("")
async def list_lockouts(
    request: Request, actor: SignedIn, listed: Annotated[Listing[LockoutFilter], Depends(listing(LockoutFilter))]
) -> Response:
    """Show who must wait."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("lockouts", lambda part: lockouts.page(work, listed.wanted, part))
        found = await lockouts.page(work, listed.wanted, listed.part)
    return page(
        request,
        "lockouts/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        api=f"/lockouts{listed.query}",
    )


@router.post("/lift")
async def lift(
    request: Request,
    actor: Operating,
    subject: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/lockouts",  # noqa: A002
) -> Response:
    """Forgive failures."""
    async with installation(request).transaction(actor) as work:
        lifted = await lockouts.lift(work, Lifting(subject=subject))
    return back(own_path(next), f"{lifted.total} forgiven: the next attempt is judged at once.")
