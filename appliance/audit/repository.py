"""Queries on the audit log."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import AuditEntry
from appliance.schema import Paging


async def page(session: AsyncSession, paging: Paging) -> tuple[Sequence[AuditEntry], int]:
    """Give the latest entries first, and how many there are."""
    rows = await session.scalars(
        select(AuditEntry).order_by(AuditEntry.id.desc()).limit(paging.limit).offset(paging.offset)
    )
    return rows.all(), await session.scalar(select(func.count()).select_from(AuditEntry)) or 0
