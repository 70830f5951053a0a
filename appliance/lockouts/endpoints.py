"""``/api/v1/lockouts``: who must wait before the next attempt to log in, and how that ends."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Reading, Writing
from appliance.lockouts import service
from appliance.lockouts.schemas import Lifting, LockoutFilter, LockoutView
from appliance.schema import Page, Paging

router = Noun("lockouts")


class _Wanted(LockoutFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_lockouts(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[LockoutView]:
    """List who must wait before the next attempt is judged."""
    return await service.page(work, wanted, wanted)


@router.post("/lift")
async def lift_lockouts(work: Writing, wanted: Lifting) -> Page[LockoutView]:
    """Forgive failures: of an account, of an address, of one that is listed, or all. Gives those forgiven."""
    return await service.lift(work, wanted)
