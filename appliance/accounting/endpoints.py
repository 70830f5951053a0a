"""``/api/v1/accounting``: what RADIUS servers were told of sessions, and what waits for them."""

from typing import Annotated

from fastapi import Query

from appliance.accounting import service
from appliance.accounting.schemas import AccountingFilter, AccountingRecordView
from appliance.api.dependencies import Noun, Reading
from appliance.schema import Page, Paging

router = Noun("accounting", tag="sessions")


class _Wanted(AccountingFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_accounting_records(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[AccountingRecordView]:
    """List RADIUS accounting records, by themselves the latest first."""
    return await service.page(work, wanted, wanted)
