"""What is forgotten after a while: a gateway sweeps every hour; the settings say how long things are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import delete, func, select

from appliance import models
from appliance.accounting import service as accounting
from appliance.commands.repository import wipe_secrets
from appliance.commands.service import SECRET_KEPT
from appliance.installation import Actor
from appliance.models import CommandOutcome, Verb
from appliance.runtime_settings import service as runtime_settings
from appliance.samples import repository as samples

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from appliance.installation import Installation
    from appliance.runtime_settings.schemas import RuntimeSettings

logger = structlog.get_logger(__name__)

_MOST_REFUSALS: Final = 20_000
_COMMAND_DAYS: Final = 30
_TRANSCRIPT_SECONDS: Final = 600
_SAMPLE_DAYS: Final = 31
_STORED_DAYS: Final = 30  # of a gateway that was taken away: a live session is stored anew with each rekeying
_LOGIN_KEPT: Final = timedelta(days=1)


async def sweep(installation: Installation, by: str, at: datetime) -> None:
    """Forget what is old, and what nobody waits for any more; ``by`` is for the audit log."""
    async with installation.database.transaction() as session:
        await forget_old(session, await runtime_settings.current(session), at)
    async with installation.transaction(Actor(by)) as work:
        dropped = await accounting.drop_of_removed_realms(work)
    for realm, records in dropped.items():
        logger.warning("accounting records of a realm that was removed are dropped", realm=realm, records=records)


async def forget_old(session: AsyncSession, settings: RuntimeSettings, at: datetime) -> None:
    """Remove what is older than the settings want to keep.

    Args:
        session: A transaction.
        settings: How long what is kept.
        at: Now.
    """
    sessions, refusals, audit, commands = models.Session, models.Refusal, models.AuditEntry, models.Command
    stored = models.StoredStay
    old = [
        delete(sessions).where(sessions.ended_at < at - timedelta(days=settings.session_days)),
        delete(refusals).where(refusals.at < at - timedelta(days=settings.refusal_days)),
        delete(stored).where(stored.stored_at < at - timedelta(days=_STORED_DAYS)),
        delete(commands).where(
            commands.finished_at < at - timedelta(days=_COMMAND_DAYS), commands.outcome != CommandOutcome.PENDING
        ),
        delete(commands).where(commands.verb == Verb.JUDGE_LOGIN, commands.created_at < at - _LOGIN_KEPT),
    ]
    # What was said in a live session is asked for again by whoever wants to know.
    old.append(
        delete(commands).where(
            commands.finished_at < at - timedelta(seconds=_TRANSCRIPT_SECONDS), commands.verb == Verb.TRANSCRIPT
        )
    )
    if settings.audit_days is not None:
        old.append(delete(audit).where(audit.at < at - timedelta(days=settings.audit_days)))
    # Strangers decide how many refusals there are.
    newest = await session.scalar(select(func.max(refusals.id)))
    if newest is not None:
        old.append(delete(refusals).where(refusals.id <= newest - _MOST_REFUSALS))
    # What charts are drawn from is counted by the minute.
    await samples.forget_before(session, int((at - timedelta(days=_SAMPLE_DAYS)).timestamp()) // 60)
    await wipe_secrets(session, at - SECRET_KEPT)
    for statement in old:
        await session.execute(statement.execution_options(synchronize_session=False))
