"""Many logins, few transactions; and nothing is lost when the database is away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from appliance import models
from appliance.gateway.record.group_commit import GroupCommit
from appliance.models import CommandOutcome
from ike_engine.events import PeerRefused, Stage
from tests.appliance.gateway.recording import PATH, Recorder, eventually, leaving


@contextlib.asynccontextmanager
async def running(recorder: Recorder) -> Any:
    task = asyncio.create_task(recorder.group_commit.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(recorder: Recorder, sessions: int) -> None:
    async def there() -> bool:
        return len(await recorder.live()) == sessions

    await eventually(there)


async def test_logins_at_once_are_one_transaction(recorder: Recorder) -> None:
    async with running(recorder):
        before = recorder.writer.transactions
        for peer in range(1, 201):
            recorder.connect(peer, f"user{peer}")
        await until(recorder, 200)
        assert recorder.writer.transactions - before == 1
    assert len(await recorder.taken()) == 200


async def test_logins_that_come_while_one_writes_wait_for_nobody_and_share_the_next(recorder: Recorder) -> None:
    """Every transaction is held back until the next login was told: the worst order there is."""
    release = asyncio.Event()
    real = recorder.writer.run
    order: list[str] = []

    async def held(work: Any) -> Any:
        order.append("transaction")
        await release.wait()
        return await real(work)

    recorder.writer.run = held  # type: ignore[method-assign]
    async with running(recorder):
        recorder.connect(1)
        await eventually(lambda: bool(order))
        for peer in range(2, 102):
            recorder.connect(peer, f"user{peer}")  # returns although the writer is stuck
        assert order == ["transaction"]
        release.set()
        await until(recorder, 101)
    assert order == ["transaction", "transaction"]


async def test_each_session_is_written_once_however_much_happens(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.tell(*leaving(1))
    notes = recorder.projector.collect()
    assert notes is not None
    assert len(notes._rows.added) == 1
    assert notes._rows.changed == []
    assert len(notes._rows.leases) == 1


async def test_nothing_to_write_is_no_transaction(recorder: Recorder) -> None:
    assert await recorder.group_commit.flush()
    assert recorder.writer.transactions == 0


async def test_what_cannot_be_written_now_is_written_later_and_once(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.connect(1)
    recorder.connect(2, "bob")
    await recorder.flush()

    async def away(_work: Any) -> Any:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    with capture_logs() as lines, monkeypatch.context() as patched:
        patched.setattr(recorder.writer, "run", away)
        recorder.tell(*leaving(1))
        recorder.tell(PeerRefused(path=PATH, stage=Stage.XAUTH, reason="first"))
        assert not await recorder.group_commit.flush()
        recorder.connect(3, "carol")
        recorder.tell(*leaving(2, "bob"))
        recorder.tell(PeerRefused(path=PATH, stage=Stage.XAUTH, reason="second"))
        assert not await recorder.group_commit.flush()
    told = [line["event"] for line in lines if "database" in line["event"]]
    assert told == ["the database cannot be written; trying again"]
    await recorder.flush()
    assert recorder.projector.collect() is None
    sessions = await recorder.rows(models.Session)
    assert sorted((row.user, row.goodbye) for row in sessions) == [
        ("alice", "client-disconnected"),
        ("bob", "client-disconnected"),
        ("carol", ""),
    ]
    assert [row.user for row in await recorder.taken()] == ["carol"]
    assert [row.reason for row in await recorder.rows(models.Refusal)] == ["first", "second"]


async def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.connect(2, "bob")
    recorder.projector.live[1].columns["user"] = None  # NOT NULL
    recorder.projector.command_finished(4711, CommandOutcome.DONE, "")
    recorder.tell(PeerRefused(path=PATH, stage=Stage.XAUTH, reason="kept"))
    with capture_logs() as lines:
        await recorder.flush()
    assert [row.user for row in await recorder.live()] == ["bob"]
    assert [row.user for row in await recorder.taken()] == ["alice", "bob"]
    assert [row.reason for row in await recorder.rows(models.Refusal)] == ["kept"]
    assert [line["table"] for line in lines if "it is lost" in line["event"]] == ["sessions"]


async def test_who_stops_waiting_does_not_stop_the_writing(recorder: Recorder) -> None:
    recorder.connect(1)
    flushing = asyncio.create_task(recorder.group_commit.flush())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    recorder.tell(*leaving(1))
    await recorder.flush()
    (session,) = await recorder.rows(models.Session)
    assert session.goodbye == "client-disconnected"


async def test_a_connection_that_broke_is_made_anew(recorder: Recorder) -> None:
    with pytest.raises(OperationalError if recorder.database.is_sqlite else Exception):
        await recorder.writer.run(lambda connection: connection.execute(text("SELECT * FROM no_such_table")))
    recorder.connect(1)
    await recorder.flush()
    assert len(await recorder.live()) == 1


async def test_a_failing_writer_is_tried_again(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([True, True, False])
    real = recorder.writer.run
    naps: list[float] = []

    async def flaky(work: Any) -> Any:
        if next(failures):
            raise OperationalError("INSERT", {}, Exception("disk I/O error"))
        return await real(work)

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(recorder.writer, "run", flaky)
    recorder.group_commit = GroupCommit(recorder.writer, recorder.projector.collect, recorder.noted, sleep=nap)
    async with running(recorder):
        recorder.connect(1)
        await until(recorder, 1)
    assert naps[:5] == [0.25, 1.0, 0.25, 1.0, 0.25]
