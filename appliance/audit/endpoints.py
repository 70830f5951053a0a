"""``/api/v1/audit``: every change, with who, when, from where, before and after."""

from typing import Annotated

from fastapi import APIRouter, Query

from appliance.audit import service
from appliance.audit.schemas import AuditEntryView
from appliance.dependencies import Reading
from appliance.schema import Page, Paging

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("")
async def list_changes(work: Reading, paging: Annotated[Paging, Query()]) -> Page[AuditEntryView]:
    """List changes, the latest first."""
    return await service.page(work, paging)
