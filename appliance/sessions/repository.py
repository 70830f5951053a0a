"""Queries on sessions."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Session
from appliance.schema import Paging
from appliance.sessions.schemas import SessionFilter, Which


async def find(session: AsyncSession, session_id: int) -> Session | None:
    """Give one session."""
    return await session.get(Session, session_id)


async def page(session: AsyncSession, wanted: SessionFilter, paging: Paging) -> tuple[Sequence[Session], int]:
    """Give the latest first, and how many there are."""
    conditions = _conditions(wanted)
    rows = await session.scalars(
        select(Session)
        .where(*conditions)
        .order_by(Session.started_at.desc(), Session.id.desc())
        .limit(paging.limit)
        .offset(paging.offset)
    )
    return rows.all(), await session.scalar(select(func.count()).select_from(Session).where(*conditions)) or 0


async def live_of_user(session: AsyncSession, user: str) -> Sequence[Session]:
    """Give the live sessions of one user."""
    return (await session.scalars(select(Session).where(Session.user == user, Session.ended_at.is_(None)))).all()


async def count_live(session: AsyncSession) -> int:
    """Count the live sessions."""
    return await session.scalar(select(func.count()).select_from(Session).where(Session.ended_at.is_(None))) or 0


async def count_live_by_user(session: AsyncSession, users: Sequence[str]) -> dict[str, int]:
    """Count the live sessions of each of these users; who has none is left out."""
    rows = await session.execute(
        select(Session.user, func.count())
        .where(Session.user.in_(users), Session.ended_at.is_(None))
        .group_by(Session.user)
    )
    return dict(rows.all())


def _conditions(wanted: SessionFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.which is Which.LIVE:
        conditions.append(Session.ended_at.is_(None))
    elif wanted.which is Which.ENDED:
        conditions.append(Session.ended_at.is_not(None))
    if wanted.user:
        conditions.append(Session.user == wanted.user.lower())
    if wanted.text:
        searched = (Session.user, Session.profile, Session.peer_address, Session.virtual_ip, Session.client_software)
        conditions.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in searched)))
    return conditions
