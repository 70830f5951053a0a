"""Queries on commands."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.commands.schemas import CommandFilter
from appliance.database import affected
from appliance.models import Command, CommandOutcome, Node, Verb
from appliance.models.columns import now
from appliance.schema import Paging

TOO_LATE: Final = "no gateway carried it out in time"


async def find(session: AsyncSession, command_id: int, *, to_change: bool = False) -> Command | None:
    """Give one command; ``to_change`` holds back the gateway that is about to finish it."""
    return await session.get(Command, command_id, with_for_update=to_change or None)


async def node(session: AsyncSession, name: str) -> Node:
    """Give the row of a gateway that is there."""
    return await session.get_one(Node, name)


async def wipe_secrets(session: AsyncSession, before: datetime) -> int:
    """Have orders fail whose secret waits for longer than since then; gives how many there were."""
    late = Command.secret.is_not(None), Command.created_at < before
    failed = {"outcome": CommandOutcome.FAILED, "message": TOO_LATE, "finished_at": now()}
    wiped = await session.execute(update(Command).where(*late).values(secret=None, **failed))
    return affected(wiped)


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


async def latest(session: AsyncSession, verb: Verb, session_id: int, since: datetime) -> Command | None:
    """Give the command of that kind that was carried out last, if that was at this moment or later."""
    found: Command | None = await session.scalar(
        select(Command)
        .where(
            Command.session_id == session_id,
            Command.verb == verb,
            Command.outcome == CommandOutcome.DONE,
            Command.finished_at >= since,
        )
        .order_by(Command.id.desc())
        .limit(1)
    )
    return found


async def latest_of_node(session: AsyncSession, verb: Verb, node: str) -> Command | None:
    """Give the command that a node carried out last of those with this verb."""
    found: Command | None = await session.scalar(
        select(Command)
        .where(Command.node == node, Command.verb == verb, Command.outcome == CommandOutcome.DONE)
        .order_by(Command.id.desc())
        .limit(1)
    )
    return found
