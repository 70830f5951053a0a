"""``/api/v1/pools``."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.dependencies import MADE, Noun, Reading, Writing, made
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.pools import service
from appliance.pools.schemas import NewPool, PoolChange, PoolDefinition, PoolFilter, PoolView
from appliance.schema import Page, Paging

router = Noun("pools", route=RehearsedRoute)


class _Wanted(PoolFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_pools(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[PoolView]:
    """List pools, by themselves the oldest first."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_pool(work: Writing, new: NewPool) -> PoolView:
    """Add a pool."""
    return await service.add(work, new)


@router.get("/{name}")
async def show_pool(work: Reading, name: str) -> PoolView:
    """Show one pool."""
    return await service.show(work, name)


@router.put("/{name}", responses=MADE)
async def define_pool(work: Writing, name: str, wanted: PoolDefinition, answer: Response) -> PoolView:
    """Have a pool so, whether it is there or not. What is so already changes nothing."""
    return made(answer, await service.define(work, name, wanted))


@router.patch("/{name}")
async def change_pool(work: Writing, name: str, change: PoolChange) -> PoolView:
    """Change what is given."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_pool(work: Writing, name: str) -> None:
    """Remove a pool that nothing needs."""
    await service.remove(work, name)
