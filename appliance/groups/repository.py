"""Queries on groups."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.groups.schemas import GroupFilter
from appliance.models import Group, User
from appliance.schema import Paging


async def find(session: AsyncSession, name: str) -> Group | None:
    """Give one group by name."""
    found: Group | None = await session.scalar(select(Group).where(Group.name == name))
    return found


async def page(session: AsyncSession, wanted: GroupFilter, paging: Paging) -> tuple[Sequence[Group], int]:
    """Give groups, and how many there are."""
    matches = listing.containing(wanted.text, Group.name, Group.description)
    return await listing.page(session, Group, matches, wanted.sort, paging)


async def names(session: AsyncSession) -> dict[int, str]:
    """Give the names of all groups by key."""
    return dict((await session.execute(select(Group.id, Group.name))).all())


async def count_users(session: AsyncSession, keys: Sequence[int]) -> dict[int, int]:
    """Count the local users of each of these groups; one without any is left out."""
    rows = await session.execute(
        select(User.group_id, func.count()).where(User.group_id.in_(keys)).group_by(User.group_id)
    )
    return {key: count for key, count in rows if key is not None}
