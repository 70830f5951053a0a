"""Backups that are made by themselves: whole or not at all, once for each moment, the old ones gone."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance.backups import making, runs, schedule, service
from appliance.errors import Invalid
from appliance.installation import Actor, Installation
from appliance.master_key import MasterKey
from appliance.models import AuditEntry, BackupRun, Setting
from appliance.models.columns import now
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("cheap_passphrases")

HERE = Actor("a test")
PASSPHRASE = "correct horse battery"
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
async def scheduled(installation: Installation, tmp_path: Path) -> Installation:
    """An installation whose backups are due every day, in a directory of their own."""
    installation.settings.data_dir.mkdir(exist_ok=True)
    key = MasterKey.load_or_create(installation.settings.master_key_file)
    installation = replace(installation, master_key=key)
    (tmp_path / "elsewhere").mkdir()
    await have(
        installation,
        backup_every_hours=24,
        backup_directory=str(tmp_path / "elsewhere"),
        backup_keep=2,
        backup_passphrase=PASSPHRASE,
    )
    return installation


async def have(installation: Installation, **wanted: object) -> None:
    async with installation.transaction(HERE) as work:
        for name, value in wanted.items():
            await settings.define(work, name, SettingDefinition(value=value))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def test_what_is_due_is_made_once_and_can_be_restored(scheduled: Installation, tmp_path: Path) -> None:
    made = await making.once(scheduled, NOON)
    assert made is not None
    assert (made.succeeded, made.message, made.due_at) == (True, "", NOON.replace(hour=2))
    file = tmp_path / "elsewhere" / made.name
    assert names(file.parent) == [made.name]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_size == made.octets
    assert (await service.verify(file.read_bytes(), SecretStr(PASSPHRASE))).rows["settings"] == 4
    assert await making.once(scheduled, NOON + timedelta(hours=13)) is None
    assert await making.once(scheduled, NOON + timedelta(hours=14)) is not None
    async with scheduled.snapshot() as work:
        deeds = (await work.session.scalars(select(AuditEntry.deed).where(AuditEntry.who == making.ACTOR.who))).all()
        shown = await schedule.show(work)
        (listed, _) = (await service.page(work)).items
    assert deeds == ["backup.create"] * 2
    assert shown.last_success is not None
    assert shown.last_success.due_at == NOON.replace(day=27, hour=2)
    assert (listed.scheduled, listed.folder) == (True, str(file.parent))


async def test_of_many_processes_one_makes_it(scheduled: Installation, tmp_path: Path) -> None:
    made = await asyncio.gather(*(making.once(scheduled, NOON) for _ in range(4)))
    assert len([each for each in made if each is not None]) == 1
    assert len(names(tmp_path / "elsewhere")) == 1


async def test_old_ones_go_and_no_others(scheduled: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    others = ["coati-2020-01-01T000000Z.coati-backup", "notes.txt", "scheduled-by-hand.coati-backup"]
    olds = [f"scheduled-2020-01-0{day}T020000Z.coati-backup" for day in (1, 2, 3)]
    for name in (*others, *olds):
        (folder / name).write_bytes(b"")
    made = await making.once(scheduled, NOON)
    assert made is not None
    assert names(folder) == sorted([*others, olds[-1], made.name])


async def test_a_failure_says_why_leaves_nothing_and_is_audited(scheduled: Installation, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").rmdir()
    made = await making.once(scheduled, NOON)
    assert made is not None
    assert not made.succeeded
    assert made.message == f"cannot write in {tmp_path}/elsewhere: No such file or directory"
    assert made.remedy.startswith("make it, or mount what belongs there")
    async with scheduled.snapshot() as work:
        assert (await work.session.scalars(select(AuditEntry.deed).where(AuditEntry.deed == "backup.fail"))).all()
        (problem,) = await schedule.problems(work)
    assert "No such file or directory" in problem.what


async def test_what_failed_is_tried_again_soon_and_then_less_often(
    scheduled: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, folder = now(), tmp_path / "elsewhere"
    clock = [at]
    # What one of three has begun is begun at this time for the others, too: else they would take it for cut short.
    monkeypatch.setattr(making, "now", lambda: clock[-1])
    await have(scheduled, backup_hour=at.hour)  # the next one is due in more than 23 hours
    folder.rmdir()
    made = await making.once(scheduled, at)
    for attempt, minutes in enumerate((1, 2, 4, 8, 15, 30, 60, 60), 1):
        assert made is not None
        assert (made.attempts, made.succeeded) == (attempt, False)
        assert made.finished_at is not None
        async with scheduled.snapshot() as work:
            again = schedule.tried_again_at(await runs.find(work.session, made.due_at), None)
        assert again == made.finished_at + timedelta(minutes=minutes)
        assert await making.once(scheduled, made.finished_at) is None, "not yet"
        if attempt == 8:
            folder.mkdir()
        clock.append(again)
        tried = await asyncio.gather(*(making.once(scheduled, again) for _ in range(3)))
        (made,) = [each for each in tried if each is not None]
    assert (made.attempts, made.succeeded, made.message, made.remedy) == (9, True, "", "")
    async with scheduled.snapshot() as work:
        deeds = (await work.session.scalars(select(AuditEntry.deed).where(AuditEntry.who == making.ACTOR.who))).all()
    assert deeds.count("backup.fail") == 1, "it failed for the same reason all the time"


async def test_what_was_cut_short_is_made_again(scheduled: Installation) -> None:
    begun = NOON - timedelta(minutes=29)
    async with scheduled.transaction(HERE) as work:
        work.session.add(BackupRun(due_at=NOON.replace(hour=2), node="gone", started_at=begun))
    assert await making.once(scheduled, NOON) is None
    made = await making.once(scheduled, NOON + timedelta(minutes=1))
    assert made is not None
    assert (made.succeeded, made.attempts, made.node) == (True, 2, scheduled.settings.node_name)


async def test_one_made_by_hand_takes_the_place_of_one_that_failed(scheduled: Installation, tmp_path: Path) -> None:
    at = now()
    await have(scheduled, backup_hour=at.hour)
    (tmp_path / "elsewhere").rmdir()
    assert await making.once(scheduled, at) is not None
    (tmp_path / "elsewhere").mkdir()
    async with scheduled.snapshot(HERE) as work:
        assert (await making.make_now(work)).succeeded
    assert await making.once(scheduled, at + timedelta(hours=2)) is None


async def test_a_write_that_is_cut_short_leaves_no_half_a_backup(
    scheduled: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(making, "write_private", full)
    made = await making.once(scheduled, NOON)
    assert made is not None
    assert "No space left on device" in made.message
    assert names(tmp_path / "elsewhere") == []


async def test_nothing_is_made_that_is_not_asked_for(scheduled: Installation, tmp_path: Path) -> None:
    await have(scheduled, backup_every_hours=None)
    assert await making.once(scheduled, NOON) is None
    assert names(tmp_path / "elsewhere") == []
    async with scheduled.snapshot() as work:
        assert (await work.session.scalars(select(BackupRun))).all() == []


async def test_one_can_be_made_at_once_to_see_whether_it_works(scheduled: Installation) -> None:
    async with scheduled.snapshot(HERE) as work:
        made = await making.make_now(work)
    assert made.succeeded
    await have(scheduled, backup_passphrase=None)
    async with scheduled.snapshot(HERE) as work:
        with pytest.raises(Invalid, match="no passphrase"):
            await making.make_now(work)


async def test_the_passphrase_is_kept_sealed_and_a_weak_one_is_refused(scheduled: Installation) -> None:
    async with scheduled.snapshot() as work:
        row = await work.session.get_one(Setting, "backup_passphrase")
        assert PASSPHRASE not in str(row.value)
        assert (await settings.show(work, "backup_passphrase")).value is None
    with pytest.raises(ValueError, match="too weak"):
        await have(scheduled, backup_passphrase="password")
    with pytest.raises(ValueError, match="whole path"):
        await have(scheduled, backup_directory="backups")
