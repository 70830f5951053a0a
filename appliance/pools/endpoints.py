"""``/api/v1/pools``."""

from typing import Annotated

from fastapi import APIRouter, Query

from appliance.dependencies import Reading, Writing
from appliance.pools import service
from appliance.pools.schemas import LeaseView, NewPool, PoolChange, PoolView
from appliance.schema import Page, Paging

router = APIRouter(prefix="/pools", tags=["pools"])


@router.get("")
async def list_pools(work: Reading) -> Page[PoolView]:
    """List all pools."""
    return await service.page(work)


@router.post("", status_code=201)
async def add_pool(work: Writing, new: NewPool) -> PoolView:
    """Add a pool."""
    return await service.add(work, new)


@router.get("/{name}")
async def show_pool(work: Reading, name: str) -> PoolView:
    """Show one pool."""
    return await service.show(work, name)


@router.get("/{name}/leases")
async def list_leases(
    work: Reading, name: str, paging: Annotated[Paging, Query()], *, taken_only: bool = False
) -> Page[LeaseView]:
    """List a pool's addresses and who has them, or had them last."""
    return await service.leases(work, name, paging, taken_only=taken_only)


@router.patch("/{name}")
async def change_pool(work: Writing, name: str, change: PoolChange) -> PoolView:
    """Change what is given."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_pool(work: Writing, name: str) -> None:
    """Remove a pool that nothing needs."""
    await service.remove(work, name)
