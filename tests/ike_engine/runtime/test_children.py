"""Real processes: started, restarted when they end, stopped, and told which descriptors are theirs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from ike_engine.runtime.children import BackOff, Child, ChildSpec, inherited_descriptors, python_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PYTHON = (sys.executable, "-I", "-S", "-c")
AT_ONCE = BackOff(first_seconds=0.001, longest_seconds=0.001)

HELLO_AND_WAIT = """
import os, signal
os.write({out}, b"%d\\n" % os.getpid())
signal.pause()
"""
HELLO_AND_FAIL = 'import os; os.write({out}, b"%d\\n" % os.getpid()); os._exit(3)'
DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write({out}, b"%d\\n" % os.getpid())
signal.pause()
"""


class Pipe:
    """A pipe into which children write a line each when they are up."""

    def __init__(self, read: int, write: int) -> None:
        self.read = read
        self.write = write
        self.lines: asyncio.StreamReader

    async def line(self) -> str:
        async with asyncio.timeout(60):
            return (await self.lines.readline()).decode().strip()

    async def at_end(self) -> bytes:
        """Give what is still there when nobody holds the other end any more."""
        async with asyncio.timeout(60):
            return await self.lines.read()


@asynccontextmanager
async def opened_pipe() -> AsyncIterator[Pipe]:
    pipe = Pipe(*os.pipe())
    loop = asyncio.get_running_loop()
    pipe.lines = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(pipe.lines), os.fdopen(pipe.read, "rb", buffering=0)
    )
    try:
        yield pipe
    finally:
        transport.close()
        with suppress(OSError):
            os.close(pipe.write)
        await asyncio.sleep(0)


def child(code: str, pipe: Pipe, stop_seconds: float = 5.0) -> Child:
    spec = ChildSpec(
        name="test child",
        argv=(*PYTHON, code.format(out=pipe.write)),
        descriptors={"out": pipe.write},
        stop_seconds=stop_seconds,
    )
    return Child(spec, AT_ONCE)


async def test_a_child_on_demand_starts_when_there_is_something_to_read() -> None:
    async with opened_pipe() as pipe:
        reading, writing = os.pipe()
        on_demand = child(HELLO_AND_WAIT, pipe)
        on_demand.start_on_demand(reading)
        await asyncio.sleep(0.05)
        assert on_demand.pid is None
        os.write(writing, b"!")
        assert int(await pipe.line()) == on_demand.pid
        await on_demand.stop()
        os.close(reading)
        os.close(writing)


async def test_a_child_on_demand_that_nobody_wanted_leaves_nothing_behind() -> None:
    async with opened_pipe() as pipe:
        reading, writing = os.pipe()
        unwanted = child(HELLO_AND_WAIT, pipe)
        unwanted.start_on_demand(reading)
        await unwanted.stop()
        assert not asyncio.get_running_loop().remove_reader(reading)
        os.write(writing, b"!")
        await asyncio.sleep(0.05)
        assert unwanted.pid is None
        os.close(reading)
        os.close(writing)


async def test_a_child_that_fails_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    async with opened_pipe() as pipe:
        failing = child(HELLO_AND_FAIL, pipe)
        failing.start()
        pids = {await pipe.line() for _ in range(3)}
        await failing.stop()
        assert len(pids) == 3
        assert failing.restarts >= 2
        assert "test child ended (exit status 3)" in caplog.text


async def test_a_killed_child_is_started_again_and_the_other_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    async with opened_pipe() as pipe, opened_pipe() as other_pipe:
        killed, other = child(HELLO_AND_WAIT, pipe), child(HELLO_AND_WAIT, other_pipe)
        killed.start()
        other.start()
        first, other_pid = await pipe.line(), await other_pipe.line()
        os.kill(int(first), signal.SIGKILL)
        second = await pipe.line()
        assert second != first
        assert (str(killed.pid), str(other.pid)) == (second, other_pid)
        assert "killed by SIGKILL" in caplog.text
        await killed.stop()
        await other.stop()


async def test_stop_ends_a_child_for_good() -> None:
    async with opened_pipe() as pipe:
        waiting = child(HELLO_AND_WAIT, pipe)
        waiting.start()
        pid = int(await pipe.line())
        await waiting.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        os.close(pipe.write)
        assert await pipe.at_end() == b""  # no second life wrote anything


async def test_a_child_that_does_not_listen_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async with opened_pipe() as pipe:
        deaf = child(DEAF, pipe, stop_seconds=0.05)
        deaf.start()
        await pipe.line()
        await deaf.stop()
        assert "did not end within 0.05 s" in caplog.text


async def test_stop_between_two_lives_starts_no_third() -> None:
    async with opened_pipe() as pipe:
        spec = ChildSpec(
            name="slow", argv=(*PYTHON, HELLO_AND_FAIL.format(out=pipe.write)), descriptors={"o": pipe.write}
        )
        resting = Child(spec, BackOff(first_seconds=3600))
        resting.start()
        await pipe.line()
        await resting.stop()
        assert resting.restarts == 0


@pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(7)", 7)])
async def test_run_once_gives_the_exit_status(code: str, status: int) -> None:
    assert await Child(ChildSpec(name="once", argv=(*PYTHON, code))).run_once() == status


async def test_a_program_that_is_not_there_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert await Child(ChildSpec(name="once", argv=("/no/such/program",))).run_once() == 78
    assert "cannot start /no/such/program" in capfd.readouterr().err


async def test_a_child_knows_its_descriptors_and_nothing_else_of_our_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COATI_SECRET_OF_THE_PARENT", "x")
    async with opened_pipe() as pipe:
        code = (
            "import os; from ike_engine.runtime.children import inherited_descriptors\n"
            "known = inherited_descriptors()\n"
            "words = sorted(known), os.environ['GIVEN'], os.environ.get('COATI_SECRET_OF_THE_PARENT')\n"
            "os.write(known['out'], repr(words).encode() + b'\\n')"
        )
        argv = (python_module("x")[0], "-c", code)
        spec = ChildSpec(
            name="once",
            argv=argv,
            environment={"GIVEN": "yes"},
            descriptors={"out": pipe.write},
        )
        assert await Child(spec).run_once() == 0
        assert await pipe.line() == "(['out'], 'yes', None)"


def test_no_descriptors_are_inherited_without_a_keeper() -> None:
    assert inherited_descriptors({}) == {}
    assert inherited_descriptors({"INHERITED_DESCRIPTORS": "ike=5,natt=6"}) == {"ike": 5, "natt": 6}


def test_pauses_grow_to_a_limit_and_start_afresh_after_a_long_life() -> None:
    back_off = BackOff(first_seconds=1, longest_seconds=5)
    assert [back_off.pause(lived_seconds=0) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert [back_off.pause(lived_seconds=60), back_off.pause(lived_seconds=0)] == [1, 2]


BEATS_AND_HANGS = """
import faulthandler, os, time
pulse = int(os.environ["INHERITED_DESCRIPTORS"].split("pulse=")[1])
faulthandler.enable()
os.write(pulse, b"0")
os.write({out}, b"%d\\n" % os.getpid())
time.sleep(600)
"""


async def test_one_that_hangs_says_where_and_is_started_again(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with opened_pipe() as pipe:
        spec = ChildSpec(
            name="test child",
            argv=(*PYTHON, BEATS_AND_HANGS.format(out=pipe.write)),
            descriptors={"out": pipe.write},
            silence_seconds=0.2,
        )
        hanging = Child(spec, AT_ONCE)
        hanging.start()
        first = await pipe.line()
        assert await pipe.line() != first
        await hanging.stop()
    assert "test child hangs; ending it" in caplog.text
    assert "test child ended (killed by SIGABRT)" in caplog.text
    assert "Current thread" in capfd.readouterr().err


async def test_one_that_cannot_even_be_aborted_is_killed() -> None:
    async with opened_pipe() as pipe:
        spec = ChildSpec(
            name="test child",
            argv=(*PYTHON, BEATS_AND_HANGS.format(out=pipe.write)),
            descriptors={"out": pipe.write},
            silence_seconds=0.2,
        )
        stopped = Child(spec, AT_ONCE)
        stopped.start()
        first = await pipe.line()
        os.kill(int(first), signal.SIGSTOP)
        assert await pipe.line() != first
        await stopped.stop()
