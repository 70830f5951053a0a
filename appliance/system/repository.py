"""Queries on nodes."""

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Node


async def nodes(session: AsyncSession) -> Sequence[Node]:
    """Give all nodes by name."""
    return (await session.scalars(select(Node).order_by(Node.name))).all()


async def ping(session: AsyncSession) -> None:
    """Ask the database for a sign of life."""
    await session.execute(text("SELECT 1"))
