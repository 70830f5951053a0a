"""When backups are due, and what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from appliance.backups import schedule
from appliance.models import BackupRun
from appliance.models.columns import now
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import RuntimeSettings, SettingDefinition

if TYPE_CHECKING:
    from appliance.installation import Transaction

AT = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every_hours", "hour", "due"),
    [
        (24, 2, datetime(2026, 11, 26, 2, tzinfo=UTC)),
        (24, 15, datetime(2026, 11, 25, 15, tzinfo=UTC)),
        (12, 2, datetime(2026, 11, 26, 14, tzinfo=UTC)),
        (1, 2, datetime(2026, 11, 26, 14, tzinfo=UTC)),
        (None, 2, None),
    ],
)
def test_a_backup_is_due_at_the_hours_that_are_set(every_hours: int | None, hour: int, due: datetime | None) -> None:
    assert schedule.due(RuntimeSettings(backup_every_hours=every_hours, backup_hour=hour), AT) == due


def test_a_week_between_two_is_a_week() -> None:
    weekly = RuntimeSettings(backup_every_hours=168, backup_hour=3)
    moments = {schedule.due(weekly, AT + timedelta(hours=hours)) for hours in range(24 * 28)}
    first, *others = sorted(filter(None, moments))
    assert len(others) == 4
    assert first.hour == 3
    assert [each - first for each in others] == [timedelta(weeks=number) for number in range(1, 5)]


async def have(work: Transaction, **wanted: object) -> None:
    for name, value in wanted.items():
        await settings.define(work, name, SettingDefinition(value=value))


async def words(work: Transaction) -> str:
    return "; ".join(f"{each.what} -> {each.remedy}" for each in await schedule.problems(work))


async def test_what_is_off_is_no_problem(work: Transaction) -> None:
    assert await words(work) == ""
    shown = await schedule.show(work)
    assert (shown.every_hours, shown.next_at, shown.last, shown.passphrase) == (None, None, None, False)
    assert shown.folder.endswith("/backups")


async def test_what_cannot_work_is_told_with_the_remedy(work: Transaction) -> None:
    await have(work, backup_every_hours=24)
    assert "no passphrase -> set one: coati settings set backup_passphrase" in await words(work)
    await have(work, backup_passphrase="correct horse battery")
    assert await words(work) == ""


async def test_a_failure_is_told_until_one_succeeds(work: Transaction) -> None:
    await have(work, backup_every_hours=24, backup_passphrase="correct horse battery")
    yesterday = now() - timedelta(days=1)
    work.session.add(BackupRun(due_at=yesterday, node="gw", finished_at=yesterday, succeeded=True))
    failed = BackupRun(
        due_at=now(), node="gw", finished_at=now(), message="cannot write in /backup: gone", remedy="mount it"
    )
    work.session.add(failed)
    await work.session.flush()
    told = await words(work)
    assert "failed: cannot write in /backup: gone; the last good one is of" in told
    assert told.endswith("-> mount it")
    shown = await schedule.show(work)
    assert shown.last is not None
    assert shown.last_success is not None
    assert (shown.last.succeeded, shown.last_success.due_at) == (False, yesterday)
    assert "tried again" not in told, "it was made by hand"
    failed.due_at = schedule.due(await settings.current(work.session), now()) or now()
    failed.attempts = 3
    await work.session.flush()
    told = await words(work)
    assert "failed 3 times: cannot write" in told
    again = (await schedule.show(work)).tried_again_at
    assert again is not None
    assert f"; it is tried again at {again:%H:%M}" in told
    failed.succeeded, failed.message = True, ""
    await work.session.flush()
    assert await words(work) == ""


async def test_backups_that_nobody_makes_any_more_are_missed(work: Transaction) -> None:
    await have(work, backup_every_hours=6, backup_passphrase="correct horse battery")
    long_ago = now() - timedelta(hours=11)
    run = BackupRun(due_at=long_ago, node="gw", started_at=long_ago, finished_at=long_ago, succeeded=True)
    work.session.add(run)
    await work.session.flush()
    assert await words(work) == ""
    run.due_at -= timedelta(hours=2)
    await work.session.flush()
    assert "backups are not made any more" in await words(work)
