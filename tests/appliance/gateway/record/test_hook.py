"""A program is told of events; nothing that it does or fails to do holds up anybody."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from appliance.gateway.record.hook import Hook
from tests.appliance.gateway.recording import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


def event(**more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    return {"at": at, "kind": "login", "user": "alice", "peer_id": 7, "virtual_ip": None, "octets_in": 5} | more


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Write a hook; ``$here`` is the test's folder."""

    def write(text: str) -> str:
        file = tmp_path / "hook"
        file.write_text(f"#!/bin/sh\nhere={tmp_path}\n{text}\n")
        file.chmod(0o755)
        return str(file)

    return write


@asynccontextmanager
async def running(hook: Hook) -> AsyncIterator[Hook]:
    task = asyncio.create_task(hook.run())
    yield hook
    await hook.finish(20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_is_told_by_its_environment_and_of_nothing_else(
    program: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COATI_DATABASE_URL", "postgresql://coati:s3cret@db/coati")
    async with running(Hook(program("env >$here/told"))) as hook:
        hook.tell(event(user="al'ice; id"))
    told = dict(line.split("=", 1) for line in (tmp_path / "told").read_text().splitlines())
    assert told["COATI_EVENT"] == "login"
    assert told["COATI_EVENT_USER"] == "al'ice; id"
    assert told["COATI_EVENT_AT"] == "2026-11-23T12:00:00+00:00"
    assert told["COATI_EVENT_VIRTUAL_IP"] == ""
    assert told["COATI_EVENT_OCTETS_IN"] == "5"
    assert "s3cret" not in str(told)


async def test_what_one_client_does_is_told_in_order(program: Callable[[str], str], tmp_path: Path) -> None:
    async with running(Hook(program('echo "$COATI_EVENT $COATI_EVENT_PEER_ID" >>$here/told'))) as hook:
        for peer in range(6):
            for kind in ("login", "logout"):
                hook.tell(event(kind=kind, peer_id=peer))
    told = (tmp_path / "told").read_text().splitlines()
    assert len(told) == 12
    for peer in range(6):
        assert [line for line in told if line.endswith(f" {peer}")] == [f"login {peer}", f"logout {peer}"]


async def test_one_that_hangs_is_killed_with_what_it_started(program: Callable[[str], str], tmp_path: Path) -> None:
    with capture_logs() as logged:
        async with running(Hook(program("echo $$ >$here/pid; sleep 600 & sleep 600"), seconds=0.5)) as hook:
            hook.tell(event())
    assert [line["event"] for line in logged] == ["the hook took too long and was killed"]
    session = (tmp_path / "pid").read_text().strip()
    await eventually(lambda: not _session(session))


def _session(number: str) -> list[str]:
    from pathlib import Path  # noqa: PLC0415  only here

    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[3] == number and words[0] != "Z":
            found.append(stat.parent.name)
    return found


async def test_one_that_fails_is_told_with_its_own_words(program: Callable[[str], str]) -> None:
    with capture_logs() as logged:
        async with running(Hook(program("echo 'no such list' >&2; exit 3"))) as hook:
            hook.tell(event())
    assert [(line["event"], line["status"], line["words"]) for line in logged] == [
        ("the hook failed", 3, "no such list")
    ]


async def test_one_that_writes_without_end_costs_no_memory(program: Callable[[str], str]) -> None:
    with capture_logs() as logged:
        async with running(Hook(program("head -c 20000000 /dev/zero | tr '\\0' x >&2; exit 1"))) as hook:
            hook.tell(event())
    assert len(logged[0]["words"]) == 2_000


async def test_one_that_is_too_slow_is_not_told_of_everything_and_that_is_said(program: Callable[[str], str]) -> None:
    hook = Hook(program("sleep 600"), seconds=600, most_waiting=10)
    task = asyncio.create_task(hook.run())
    with capture_logs() as logged:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(1_000):
            hook.tell(event())
        assert loop.time() - began < 5
    assert hook.left_out >= 980
    assert len(logged) < 12
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_that_is_not_there_is_told_before_anybody_comes(tmp_path: Path) -> None:
    missing = tmp_path / "nothing"
    hook = Hook(str(missing))
    assert hook.obstacle == f"the hook {missing} cannot be found"
    missing.write_text("#!/bin/sh\n")
    with capture_logs() as logged:
        async with running(hook):
            hook.tell(event())
    assert logged[0]["event"] == "the hook cannot be run"
    missing.chmod(0o755)
    assert hook.obstacle == ""


async def test_without_a_program_nobody_is_told() -> None:
    hook = Hook("")
    hook.tell(event())
    await hook.finish(0.1)
    assert (hook.obstacle, hook.left_out) == ("", 0)
