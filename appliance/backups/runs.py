"""Queries on the backups that the schedule asked for."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.database import affected
from appliance.models import BackupRun

_KEPT: Final = 500


async def find(session: AsyncSession, due_at: datetime) -> BackupRun | None:
    """Give the one that was due at this moment."""
    found: BackupRun | None = await session.scalar(select(BackupRun).where(BackupRun.due_at == due_at))
    return found


async def claim(session: AsyncSession, run: BackupRun) -> bool:
    """Write it down as ours; tells whether nobody was faster. Old ones are forgotten."""
    try:
        async with session.begin_nested():
            session.add(run)
    except IntegrityError:
        return False
    await session.execute(delete(BackupRun).where(BackupRun.id <= run.id - _KEPT))
    return True


async def claim_again(session: AsyncSession, run: BackupRun, node: str, at: datetime) -> bool:
    """Write down that it is tried once more, by us; tells whether nobody was faster."""
    attempt = (
        update(BackupRun)
        .where(BackupRun.id == run.id, BackupRun.attempts == run.attempts)
        .values(attempts=run.attempts + 1, node=node, started_at=at, finished_at=None, message="", remedy="")
    )
    return affected(await session.execute(attempt)) == 1


async def latest(session: AsyncSession, *, succeeded: bool = False) -> BackupRun | None:
    """Give the last one, or the last one that succeeded."""
    wanted = [BackupRun.succeeded] if succeeded else []
    found: BackupRun | None = await session.scalar(
        select(BackupRun).where(*wanted).order_by(BackupRun.due_at.desc()).limit(1)
    )
    return found
