"""``/api/v1/profiles``."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.dependencies import MADE, Noun, Reading, Writing, made
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.profiles import service
from appliance.profiles.schemas import (
    NewProfile,
    ProfileChange,
    ProfileDefinition,
    ProfileFilter,
    ProfileOrder,
    ProfileView,
)
from appliance.schema import Page, Paging

router = Noun("profiles", route=RehearsedRoute)


class _Wanted(ProfileFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_profiles(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[ProfileView]:
    """List profiles, by themselves in the order in which they are tried."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_profile(work: Writing, new: NewProfile) -> ProfileView:
    """Add a profile."""
    return await service.add(work, new)


@router.post("/order")
async def order_profiles(work: Writing, order: ProfileOrder) -> Page[ProfileView]:
    """Set in which order profiles are tried: the first that accepts a client's offer serves it."""
    return await service.order(work, order)


@router.get("/{name}")
async def show_profile(work: Reading, name: str) -> ProfileView:
    """Show one profile, without its group key."""
    return await service.show(work, name)


@router.put("/{name}", responses=MADE)
async def define_profile(work: Writing, name: str, wanted: ProfileDefinition, answer: Response) -> ProfileView:
    """Have a profile so, whether it is there or not. What is so already changes nothing."""
    return made(answer, await service.define(work, name, wanted))


@router.patch("/{name}")
async def change_profile(work: Writing, name: str, change: ProfileChange) -> ProfileView:
    """Change what is given; live sessions keep what they were made with."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_profile(work: Writing, name: str) -> None:
    """Remove a profile."""
    await service.remove(work, name)
