"""``/api/v1/audit``: every change, with who, when, from where, before and after."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Reading
from appliance.audit import service
from appliance.audit.schemas import AuditEntryView, AuditFilter
from appliance.schema import Page, Paging

router = Noun("audit")


class _Wanted(AuditFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_changes(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[AuditEntryView]:
    """List changes, by themselves the latest first."""
    return await service.page(work, wanted, wanted)
