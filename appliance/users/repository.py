"""Queries on users."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import User
from appliance.schema import Paging
from appliance.users.schemas import UserFilter


async def find(session: AsyncSession, name: str) -> User | None:
    """Give one user by canonical name."""
    found: User | None = await session.scalar(select(User).where(User.name == name))
    return found


async def page(session: AsyncSession, wanted: UserFilter, paging: Paging) -> tuple[Sequence[User], int]:
    """Give users by name, and how many there are."""
    searched = (User.name, User.full_name)
    matches = [or_(*(column.icontains(wanted.text, autoescape=True) for column in searched))] if wanted.text else []
    rows = await session.scalars(
        select(User).where(*matches).order_by(User.name).limit(paging.limit).offset(paging.offset)
    )
    return rows.all(), await session.scalar(select(func.count()).select_from(User).where(*matches)) or 0


async def count(session: AsyncSession) -> int:
    """Count all users."""
    return await session.scalar(select(func.count()).select_from(User)) or 0
