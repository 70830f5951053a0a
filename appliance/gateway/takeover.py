"""What a gateway does to its rows before it serves: it ends what an earlier one, that crashed, left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import CursorResult, case, delete, func, select, update

from appliance import models
from ike_engine.events import Goodbye

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

_MOST_REFUSALS: Final = 20_000


async def take_over(session: AsyncSession, node: models.Node, at: datetime) -> int:
    """Free the leases and end the sessions of this node, whose SAs died with the process, and sign in.

    Args:
        session: A transaction.
        node: The row of the gateway that begins.
        at: Now.

    Returns:
        How many sessions had not ended.
    """
    before = await session.get(models.Node, node.name)
    # They ended some time after the last sign of life, not now.
    last_seen = before.heartbeat_at if before is not None else at
    ended = await session.execute(
        update(models.Session)
        .where(models.Session.node == node.name, models.Session.ended_at.is_(None))
        .values(
            ended_at=case((models.Session.started_at > last_seen, models.Session.started_at), else_=last_seen),
            goodbye=Goodbye.FAILED.value,
            goodbye_reason="the gateway ended without saying goodbye",
        )
    )
    await session.execute(
        update(models.Lease)
        .where(models.Lease.node == node.name, models.Lease.free_since.is_(None))
        .values(free_since=at, node=None)
    )
    await session.merge(node)
    return cast("CursorResult[tuple[()]]", ended).rowcount


async def forget_old_refusals(session: AsyncSession) -> None:
    """Keep the newest refusals: strangers decide how many there are."""
    newest = await session.scalar(select(func.max(models.Refusal.id)))
    if newest is not None:
        await session.execute(delete(models.Refusal).where(models.Refusal.id <= newest - _MOST_REFUSALS))
