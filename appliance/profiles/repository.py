"""Queries on profiles."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import Pool, Profile
from appliance.profiles.schemas import ProfileFilter
from appliance.schema import Paging


async def find(session: AsyncSession, name: str) -> Profile | None:
    """Give one profile by name."""
    found: Profile | None = await session.scalar(select(Profile).where(Profile.name == name))
    return found


async def page(session: AsyncSession, wanted: ProfileFilter, paging: Paging) -> tuple[Sequence[Profile], int]:
    """Give profiles, and how many there are."""
    matches = [*listing.containing(wanted.text, Profile.name), *listing.equal(Profile.enabled, wanted.enabled)]
    return await listing.page(session, Profile, matches, wanted.sort, paging)


async def pool_names(session: AsyncSession) -> dict[int, str]:
    """Give the names of all pools by key."""
    return dict((await session.execute(select(Pool.id, Pool.name))).all())
