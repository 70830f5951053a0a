"""The schedule of backups that are made by themselves: when one is due, how it goes, and what is wrong with it."""

from datetime import UTC, datetime, timedelta
from typing import Final

from appliance.backups import folders, runs
from appliance.backups.schemas import BackupRunView, ScheduleView
from appliance.installation import Transaction
from appliance.models import BackupRun
from appliance.models.columns import now
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import RuntimeSettings
from appliance.system.schemas import Problem

NO_PASSPHRASE: Final = "set one: coati settings set backup_passphrase --stdin, or on the panel's page of settings"  # noqa: S105
_CUT_SHORT_AFTER: Final = timedelta(minutes=30)
_TRIED_AGAIN_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 15, 30, 60))
"""How long after it failed, by how often it was tried; from then on always the last."""


def due(settings: RuntimeSettings, at: datetime) -> datetime | None:
    """Give the last moment at which a backup is due by the schedule; ``None``: none is made by itself."""
    if settings.backup_every_hours is None:
        return None
    every = timedelta(hours=settings.backup_every_hours)
    first = datetime(1970, 1, 1, settings.backup_hour, tzinfo=UTC)
    return first + (at - first) // every * every


def tried_again_at(run: BackupRun | None, good: BackupRun | None) -> datetime | None:
    """Give the moment at which one that failed, or was cut short, is tried again; ``None``: it need not be.

    Args:
        run: Of the last moment at which one was due.
        good: The last that succeeded: one that was made by hand since then will do.
    """
    if run is None or run.succeeded or (good is not None and good.due_at >= run.due_at):
        return None
    if run.finished_at is None:
        return run.started_at + _CUT_SHORT_AFTER
    return run.finished_at + _TRIED_AGAIN_AFTER[min(run.attempts, len(_TRIED_AGAIN_AFTER)) - 1]


async def show(work: Transaction) -> ScheduleView:
    """Show the schedule, and how it goes."""
    settings = await runtime_settings.current(work.session)
    last, good = await runs.latest(work.session), await runs.latest(work.session, succeeded=True)
    last_due = due(settings, now())
    run = await runs.find(work.session, last_due) if last_due is not None else None
    return ScheduleView(
        every_hours=settings.backup_every_hours,
        hour=settings.backup_hour,
        folder=str(folders.of_schedule(work.installation, settings)),
        keep=settings.backup_keep,
        passphrase=await runtime_settings.secret(work, "backup_passphrase") is not None,
        next_at=last_due + timedelta(hours=settings.backup_every_hours or 0) if last_due and run else last_due,
        tried_again_at=tried_again_at(run, good),
        last=BackupRunView.model_validate(last) if last is not None else None,
        last_success=BackupRunView.model_validate(good) if good is not None else None,
    )


async def problems(work: Transaction) -> list[Problem]:
    """Tell what is wrong with the backups that are made by themselves."""
    schedule = await show(work)
    if schedule.every_hours is None:
        return []
    if not schedule.passphrase:
        return [Problem(what="no backup is made by itself: it has no passphrase", remedy=NO_PASSPHRASE)]
    last, good = schedule.last, schedule.last_success
    if last is None:
        return []
    since = f"the last good one is of {good.due_at:%Y-%m-%d %H:%M} UTC" if good else "there is no good one yet"
    if last.finished_at is not None and not last.succeeded:
        often = f" {last.attempts} times" if last.attempts > 1 else ""
        what = f"the backup of {last.due_at:%Y-%m-%d %H:%M} UTC failed{often}: {last.message}; {since}"
        if (again := schedule.tried_again_at) is not None:
            what += f"; it is tried again at {again:%H:%M}"
        return [Problem(what=what, remedy=last.remedy)]
    waited = now() - (good.due_at if good else last.started_at)
    if waited > 2 * timedelta(hours=schedule.every_hours) + _CUT_SHORT_AFTER:
        return [Problem(what=f"backups are not made any more: {since}", remedy="look at the log of the process web")]
    return []
