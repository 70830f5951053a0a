"""Queries on refusals."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Refusal
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import Paging


async def find(session: AsyncSession, refusal_id: int) -> Refusal | None:
    """Give one refusal."""
    return await session.get(Refusal, refusal_id)


async def page(session: AsyncSession, wanted: RefusalFilter, paging: Paging) -> tuple[Sequence[Refusal], int]:
    """Give the latest first, and how many there are."""
    searched = (Refusal.username, Refusal.identity, Refusal.peer_address, Refusal.reason)
    matches = [or_(*(column.icontains(wanted.text, autoescape=True) for column in searched))] if wanted.text else []
    rows = await session.scalars(
        select(Refusal).where(*matches).order_by(Refusal.id.desc()).limit(paging.limit).offset(paging.offset)
    )
    return rows.all(), await session.scalar(select(func.count()).select_from(Refusal).where(*matches)) or 0
