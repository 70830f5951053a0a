"""Queries on runtime settings."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Setting


async def find(session: AsyncSession, name: str) -> Setting | None:
    """Give one setting, if it is not at its default."""
    return await session.get(Setting, name)


async def all_settings(session: AsyncSession) -> dict[str, Setting]:
    """Give all that are not at their default."""
    return {row.name: row for row in await session.scalars(select(Setting))}
