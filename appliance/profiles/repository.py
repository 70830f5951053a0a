"""Queries on profiles."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Pool, Profile


async def find(session: AsyncSession, name: str) -> Profile | None:
    """Give one profile by name."""
    found: Profile | None = await session.scalar(select(Profile).where(Profile.name == name))
    return found


async def all_profiles(session: AsyncSession) -> Sequence[Profile]:
    """Give all profiles in the order of preference."""
    return (await session.scalars(select(Profile).order_by(Profile.position, Profile.id))).all()


async def pool_names(session: AsyncSession) -> dict[int, str]:
    """Give the names of all pools by key."""
    return dict((await session.execute(select(Pool.id, Pool.name))).all())
