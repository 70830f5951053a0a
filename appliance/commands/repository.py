"""Queries on commands."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.commands.schemas import CommandFilter
from appliance.models import Command, CommandOutcome, Verb
from appliance.schema import Paging


async def find(session: AsyncSession, command_id: int) -> Command | None:
    """Give one command."""
    return await session.get(Command, command_id)


async def page(session: AsyncSession, wanted: CommandFilter, paging: Paging) -> tuple[Sequence[Command], int]:
    """Give orders, and how many there are."""
    matches = [
        *listing.equal(Command.node, wanted.node),
        *listing.equal(Command.verb, wanted.verb),
        *listing.equal(Command.outcome, wanted.outcome),
    ]
    return await listing.page(session, Command, matches, wanted.sort, paging)


async def find_pending(session: AsyncSession, verb: Verb, session_id: int) -> Command | None:
    """Give the command that already says the same and was not carried out yet."""
    found: Command | None = await session.scalar(
        select(Command)
        .where(Command.session_id == session_id, Command.verb == verb, Command.outcome == CommandOutcome.PENDING)
        .limit(1)
    )
    return found
