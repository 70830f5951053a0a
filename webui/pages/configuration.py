"""Configuration history: every change as a version, what differs between versions, and the way back to one."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi import Form as FormField
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import Number, installation
from appliance.configuration import service
from appliance.configuration.nouns import NOUNS
from appliance.configuration.schemas import Against, Rollback, Side, VersionFilter
from appliance.installation import Actor
from appliance.models import Scope
from appliance.schema import Paging
from webui.forms import Form
from webui.listing import Listing, listing
from webui.navigation import page_of
from webui.rendering import back, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Operating, ProofNeeded, SignedIn

router = APIRouter(prefix="/configuration")

_OTHERS: Final = Paging(limit=100)


@router.get("")
async def list_versions(
    request: Request, actor: SignedIn, listed: Annotated[Listing[VersionFilter], Depends(listing(VersionFilter))]
) -> Response:
    """Show the versions, the latest first."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("configuration", lambda part: service.page(work, listed.wanted, part))
        found = await service.page(work, listed.wanted, listed.part)
    return page(
        request,
        "configuration/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        nouns=list(NOUNS),
        api=f"/configuration{listed.query}",
    )


@router.get("/{number}")
async def show(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Show a version, and what differs between it and another, or the present."""
    chosen = request.query_params.get("against", "")
    return await _show(request, actor, number, int(chosen) if chosen.isdecimal() else None)


@router.post("/{number}/rollback")
async def roll_back(
    request: Request, actor: Operating, number: Number, to: Annotated[Side, FormField()] = Side.AFTER
) -> Response:
    """Go back to the state after a change or before it, once it was seen what that does."""
    sent = await sent_form(request)
    wanted = Rollback(to=Side(str(sent.get("to", to.value))))
    async with installation(request).snapshot(actor) as work:
        version = await service.show(work, number)
    noun = NOUNS[version.noun]
    if noun.needed is Scope.OWN and not request.state.proven:  # as where it is changed
        raise ProofNeeded
    thing = Thing(version.noun, version.name, noun.shown(version.name))
    try:
        title = f"Go back to {version.noun} {version.name} as it was {wanted.to} change {number}?"
        done = await save(request, actor, sent, thing, lambda work: service.rollback(work, number, wanted), title=title)
    except NotSaved as refused:
        return await _show(request, actor, number, None, form=refused.form, code=refused.code)
    note = "It is as it was." if done.changes or done.there_before != done.there_after else "It was so already."
    return back(f"/configuration/{number}", note)


async def _show(
    request: Request, actor: Actor, number: int, against: int | None, form: Form | None = None, *, code: int = 200
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        version = await service.show(work, number)
        others = await service.page(work, VersionFilter(noun=version.noun, name=version.name), _OTHERS)
        difference = await service.diff(work, number, Against(against=against))
    return page(
        request,
        "configuration/show.html",
        actor,
        code=code,
        change=version,
        others=[other for other in others.items if other.number != number],
        against=against,
        difference=difference,
        form=form or Form(),
        thing=page_of(version.noun, version.name),
        needed=NOUNS[version.noun].needed.value,
        api=f"/configuration/{number}/diff" + (f"?against={against}" if against else ""),
    )
