"""``/api/v1/groups``."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.dependencies import MADE, Noun, Reading, Writing, made
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.groups import service
from appliance.groups.schemas import GroupChange, GroupDefinition, GroupFilter, GroupView, NewGroup
from appliance.schema import Page, Paging

router = Noun("groups", route=RehearsedRoute)


class _Wanted(GroupFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_groups(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[GroupView]:
    """List groups."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_group(work: Writing, new: NewGroup) -> GroupView:
    """Add a group."""
    return await service.add(work, new)


@router.get("/{name}")
async def show_group(work: Reading, name: str) -> GroupView:
    """Show one group and what is said for its users."""
    return await service.show(work, name)


@router.put("/{name}", responses=MADE)
async def define_group(work: Writing, name: str, wanted: GroupDefinition, answer: Response) -> GroupView:
    """Have a group so, whether it is there or not. What is so already changes nothing."""
    return made(answer, await service.define(work, name, wanted))


@router.patch("/{name}")
async def change_group(work: Writing, name: str, change: GroupChange) -> GroupView:
    """Change what is given; what its users may reach changes at once, the rest at their next login."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_group(work: Writing, name: str) -> None:
    """Remove a group that no local user is in."""
    await service.remove(work, name)
