"""``/api/v1/configuration``: versions, what differs between them, and the way back."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Number, Reading, Writing
from appliance.configuration import service
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.configuration.schemas import Against, Difference, Rollback, VersionFilter, VersionView
from appliance.schema import Page, Paging

router = Noun("configuration", route=RehearsedRoute)


class _Wanted(VersionFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_versions(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[VersionView]:
    """List versions of everything that is configured, by themselves the latest first."""
    return await service.page(work, wanted, wanted)


@router.get("/{number}")
async def show_version(work: Reading, number: Number) -> VersionView:
    """Show one version: the change that made it."""
    return await service.show(work, number)


@router.get("/{number}/diff")
async def show_difference(work: Reading, number: Number, than: Annotated[Against, Query()]) -> Difference:
    """Say what differs between a version and another of the same thing, or the thing as it is now."""
    return await service.diff(work, number, than)


@router.post("/{number}/rollback")
async def roll_back(work: Writing, number: Number, wanted: Rollback) -> Difference:
    """Have the thing be as it was after that change, or before it. Secrets stay what they are."""
    return await service.rollback(work, number, wanted)
