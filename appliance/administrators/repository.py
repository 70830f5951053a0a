"""Queries on administrators and their sign-ins."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Administrator, SignIn


async def find(session: AsyncSession, name: str) -> Administrator | None:
    """Give one administrator by name."""
    found: Administrator | None = await session.scalar(select(Administrator).where(Administrator.name == name))
    return found


async def all_administrators(session: AsyncSession) -> Sequence[Administrator]:
    """Give all administrators by name."""
    return (await session.scalars(select(Administrator).order_by(Administrator.name))).all()


async def count(session: AsyncSession) -> int:
    """Count all administrators."""
    return await session.scalar(select(func.count()).select_from(Administrator)) or 0


async def find_sign_in(session: AsyncSession, cookie_hash: bytes) -> tuple[SignIn, Administrator] | None:
    """Give the sign-in that a cookie stands for, and whose it is."""
    row = (
        await session.execute(
            select(SignIn, Administrator)
            .join(Administrator, Administrator.id == SignIn.administrator_id)
            .where(SignIn.cookie_hash == cookie_hash)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def remove_sign_ins_of(session: AsyncSession, administrator_id: int) -> None:
    """Sign an administrator out everywhere."""
    await session.execute(delete(SignIn).where(SignIn.administrator_id == administrator_id))


async def remove_expired_sign_ins(session: AsyncSession, at: datetime, idle_since: datetime) -> None:
    """Forget sign-ins that are no longer good."""
    await session.execute(delete(SignIn).where((SignIn.expires_at < at) | (SignIn.seen_at < idle_since)))
