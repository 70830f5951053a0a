"""``/api/v1/realms``: whom to trust is for owners."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.dependencies import MADE, Noun, Owning, Reading, Writing, made
from appliance.commands.schemas import CommandView
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.realms import service
from appliance.realms.schemas import (
    NewRealm,
    RealmChange,
    RealmDefinition,
    RealmFilter,
    RealmOrder,
    RealmTrial,
    RealmView,
)
from appliance.schema import Page, Paging

router = Noun("realms", route=RehearsedRoute)
test_router = Noun("realms")  # a gateway does it, or nobody


class _Wanted(RealmFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_realms(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[RealmView]:
    """List realms and how they are, by themselves in the order in which they are asked."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_realm(work: Owning, new: NewRealm) -> RealmView:
    """Add a realm; it is asked last."""
    return await service.add(work, new)


@router.post("/order")
async def order_realms(work: Owning, order: RealmOrder) -> Page[RealmView]:
    """Set in which order realms are asked."""
    return await service.order(work, order)


@router.get("/{name}")
async def show_realm(work: Reading, name: str) -> RealmView:
    """Show one realm."""
    return await service.show(work, name)


@router.put("/{name}", responses=MADE)
async def define_realm(work: Owning, name: str, wanted: RealmDefinition, answer: Response) -> RealmView:
    """Have a realm so, whether it is there or not. What is so already changes nothing."""
    return made(answer, await service.define(work, name, wanted))


@router.patch("/{name}")
async def change_realm(work: Owning, name: str, change: RealmChange) -> RealmView:
    """Change what is given."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_realm(work: Owning, name: str) -> None:
    """Remove a realm that no profile names. Accounting records that wait for its servers are dropped, and audited."""
    await service.remove(work, name)


@test_router.post("/{name}/test", status_code=202)
async def test_realm(work: Writing, name: str, trial: RealmTrial) -> CommandView:
    """Have a gateway try a realm, with a login or without; the result will be at ``/commands/{id}``."""
    return await service.test(work, name, trial)
