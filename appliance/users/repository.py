"""Queries on users."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import User
from appliance.schema import Paging
from appliance.users.schemas import UserFilter


async def find(session: AsyncSession, name: str) -> User | None:
    """Give one user by canonical name."""
    found: User | None = await session.scalar(select(User).where(User.name == name))
    return found


async def page(session: AsyncSession, wanted: UserFilter, paging: Paging) -> tuple[Sequence[User], int]:
    """Give users, and how many there are."""
    matches = [
        *listing.containing(wanted.text, User.name, User.full_name),
        *listing.equal(User.enabled, wanted.enabled),
    ]
    return await listing.page(session, User, matches, wanted.sort, paging)


async def count(session: AsyncSession) -> int:
    """Count all users."""
    return await session.scalar(select(func.count()).select_from(User)) or 0
