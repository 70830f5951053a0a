"""``/api/v1/refusals``: why clients were turned away."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Number, Reading
from appliance.refusals import service
from appliance.refusals.schemas import RefusalDetail, RefusalFilter, RefusalView
from appliance.schema import Page, Paging

router = Noun("refusals")


class _Wanted(RefusalFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_refusals(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[RefusalView]:
    """List refused attempts, by themselves the latest first."""
    return await service.page(work, wanted, wanted)


@router.get("/{refusal_id}")
async def show_refusal(work: Reading, refusal_id: Number) -> RefusalDetail:
    """Show one: what was offered and said, what would have been accepted, what would let the client in."""
    return await service.show(work, refusal_id)
