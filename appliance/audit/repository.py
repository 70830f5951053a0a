"""Queries on the audit log."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.audit.schemas import AuditFilter
from appliance.models import AuditEntry
from appliance.schema import Paging


async def latest(session: AsyncSession) -> int:
    """Give the number of the latest entry; 0: there is none."""
    return await session.scalar(select(func.max(AuditEntry.id))) or 0


async def page(session: AsyncSession, wanted: AuditFilter, paging: Paging) -> tuple[Sequence[AuditEntry], int]:
    """Give entries, and how many there are."""
    matches = [
        *listing.containing(wanted.text, AuditEntry.who, AuditEntry.deed, AuditEntry.target, AuditEntry.source),
        *listing.equal(AuditEntry.who, wanted.who),
        *listing.equal(AuditEntry.target, wanted.target),
        *([AuditEntry.deed.startswith(wanted.deed, autoescape=True)] if wanted.deed else []),
        *listing.between(AuditEntry.at, wanted.since, wanted.until),
    ]
    return await listing.page(session, AuditEntry, matches, wanted.sort, paging)
