"""Gateways: how they are, and what their data planes hold: the SAD and the SPD (RFC 4301 section 4.4), without keys."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.commands import service as commands
from appliance.commands.schemas import CommandFilter
from appliance.errors import NotFound
from appliance.gateways import service
from appliance.gateways.schemas import Held, HeldFilter, HeldState, SecurityAssociationFilter, SecurityPolicyFilter
from appliance.installation import Actor, Transaction
from appliance.models import CommandOutcome, Verb
from appliance.schema import Paging
from webui.listing import Everything, Listing, listing
from webui.orders import outcome
from webui.rendering import back, page
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/gateways")

W = TypeVar("W", bound=HeldFilter)

_NONE = Paging(limit=1)
_FILES: Final = {"security-associations": "sad", "security-policies": "spd"}


@router.get("")
async def list_gateways(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show the gateways."""
    async with installation(request).snapshot(actor) as work:
        found = await service.page(work)
    return page(request, "gateways/list.html", actor, gateways=found.items, api="/gateways")


@router.get("/{name}")
async def show(
    request: Request,
    actor: SignedIn,
    name: str,
    listed: Annotated[Listing[SecurityAssociationFilter], Depends(listing(SecurityAssociationFilter))],
) -> Response:
    """Show a gateway, and the SAs that its data plane held when it was last asked."""
    return await _show(request, actor, name, listed, service.security_associations, "security-associations")


@router.get("/{name}/policies")
async def show_policies(
    request: Request,
    actor: SignedIn,
    name: str,
    listed: Annotated[Listing[SecurityPolicyFilter], Depends(listing(SecurityPolicyFilter))],
) -> Response:
    """Show the policies that a gateway's data plane held when it was last asked."""
    return await _show(request, actor, name, listed, service.security_policies, "security-policies")


@router.get("/{name}/orders")
async def show_orders(
    request: Request, actor: SignedIn, name: str, listed: Annotated[Listing[Everything], Depends(listing(Everything))]
) -> HTMLResponse:
    """Show what a gateway was told to do, and what became of it."""
    async with installation(request).snapshot(actor) as work:
        node = await service.show(work, name)
        found = await commands.page(work, CommandFilter(node=name), listed.part)
    return page(
        request,
        "gateways/orders.html",
        actor,
        node=node,
        orders=found,
        counts={},
        part=listed.part,
        api=f"/commands?node={quote(name)}",
    )


@router.post("/{name}/ask")
async def ask(request: Request, actor: Operating, name: str) -> Response:
    """Ask a gateway what its data plane holds now."""
    async with installation(request).transaction(actor) as work:
        command = await service.ask(work, name, Verb.DUMP_SAD)
    answered = await outcome(request, actor, command)
    notes = {
        CommandOutcome.PENDING: "The gateway has not answered yet; look again in a moment.",
        CommandOutcome.DONE: "This is what it holds now.",
    }
    return back(_page_of(name), notes.get(answered.outcome, answered.message))


@router.post("/{name}/reload")
async def reload(request: Request, actor: Operating, name: str) -> Response:
    """Have a gateway read its configuration again."""
    async with installation(request).transaction(actor) as work:
        command = await service.ask(work, name, Verb.RELOAD)
    answered = await outcome(request, actor, command)
    return back(_page_of(name), answered.message or "The gateway has not answered yet.")


async def _show(
    request: Request,
    actor: Actor,
    name: str,
    listed: Listing[W],
    read: Callable[[Transaction, str, W, Paging], Awaitable[Held[Any]]],
    noun: str,
) -> Response:
    """Show one of the data plane's databases beside its gateway; ``noun`` is what the API calls it."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file(_FILES[noun], lambda part: read(work, name, listed.wanted, part))
        node = await service.show(work, name)
        try:
            held: Held[Any] | None = await read(work, name, listed.wanted, listed.part)
            counts = await _counts(work, name)
        except NotFound:  # it was never asked
            held, counts = None, {}
    return page(
        request,
        f"gateways/{noun.removeprefix('security-')}.html",
        actor,
        node=node,
        held=held,
        counts=counts,
        wanted=listed.wanted,
        part=listed.part,
        states=list(HeldState),
        api=f"/gateways/{name}/{noun}{listed.query}" if held else f"/gateways/{name}",
    )


async def _counts(work: Transaction, name: str) -> Mapping[str, Any]:
    """Count what is not as it should be."""
    odd = (HeldState.ORPHAN, HeldState.MISSING)
    return {
        state.value: (
            await service.security_associations(work, name, SecurityAssociationFilter(state=state), _NONE)
        ).total
        for state in odd
    }


def _page_of(name: str) -> str:
    return f"/gateways/{quote(name, safe='')}"
