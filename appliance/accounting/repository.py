"""Queries on accounting records."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.accounting.schemas import AccountingFilter
from appliance.models import AccountingRecord
from appliance.schema import Paging


async def page(
    session: AsyncSession, wanted: AccountingFilter, paging: Paging
) -> tuple[Sequence[AccountingRecord], int]:
    """Give records, and how many there are."""
    waits = AccountingRecord.sent_at.is_(None)
    matches = [
        *listing.containing(wanted.text, AccountingRecord.user, AccountingRecord.session),
        *listing.equal(AccountingRecord.realm, wanted.realm),
        *listing.equal(AccountingRecord.status, wanted.status),
        *([] if wanted.waiting is None else [waits if wanted.waiting else ~waits]),
        *listing.between(AccountingRecord.at, wanted.since, wanted.until),
    ]
    return await listing.page(session, AccountingRecord, matches, wanted.sort, paging)
