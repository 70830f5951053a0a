"""Queries on throttles."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.lockouts.rules import Subject
from appliance.lockouts.schemas import LockoutFilter
from appliance.models import Throttle
from appliance.schema import Paging

_KEPT: Final = timedelta(days=1)


async def find(session: AsyncSession, subjects: Iterable[Subject]) -> Sequence[Throttle]:
    """Give those of these subjects that there are."""
    return (await session.scalars(select(Throttle).where(Throttle.subject.in_(map(str, subjects))))).all()


async def failing(session: AsyncSession) -> Sequence[Throttle]:
    """Give all whose failures count."""
    return (await session.scalars(select(Throttle).where(Throttle.failures > 0))).all()


async def page(
    session: AsyncSession, wanted: LockoutFilter, paging: Paging, at: datetime
) -> tuple[Sequence[Throttle], int]:
    """Give those that must wait (or all that failed), and how many there are."""
    matches = [
        Throttle.failures > 0 if wanted.all else Throttle.blocked_until > at,
        *listing.containing(wanted.text, Throttle.subject),
        *([Throttle.subject.startswith(f"{wanted.door}/")] if wanted.door else []),
    ]
    return await listing.page(session, Throttle, matches, wanted.sort, paging)


async def forget(session: AsyncSession, at: datetime) -> None:
    """Forget those whose failures are forgiven by now under any rule."""
    await session.execute(delete(Throttle).where(Throttle.changed_at < at - _KEPT))
