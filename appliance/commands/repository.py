"""Queries on commands."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Command, CommandOutcome, Verb


async def find(session: AsyncSession, command_id: int) -> Command | None:
    """Give one command."""
    return await session.get(Command, command_id)


async def find_pending(session: AsyncSession, verb: Verb, session_id: int) -> Command | None:
    """Give the command that already says the same and was not carried out yet."""
    found: Command | None = await session.scalar(
        select(Command)
        .where(Command.session_id == session_id, Command.verb == verb, Command.outcome == CommandOutcome.PENDING)
        .limit(1)
    )
    return found
