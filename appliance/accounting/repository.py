"""Queries on accounting records."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.accounting.schemas import AccountingFilter
from appliance.database import affected
from appliance.models import AccountingRecord, Realm
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


async def drop_waiting(session: AsyncSession, realm: str) -> int:
    """Delete the records that wait for the servers of a realm; give how many."""
    found = await session.execute(
        delete(AccountingRecord).where(AccountingRecord.realm == realm, AccountingRecord.sent_at.is_(None))
    )
    return affected(found)


async def removed_realms(session: AsyncSession) -> Sequence[str]:
    """Give the names of realms that records wait for and that are not there."""
    waiting = select(AccountingRecord.realm).where(AccountingRecord.sent_at.is_(None)).distinct()
    found = await session.scalars(waiting.where(AccountingRecord.realm.not_in(select(Realm.name))))
    return found.all()
