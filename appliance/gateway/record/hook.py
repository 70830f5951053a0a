"""The hook: a program of the administrator's that is told of every login, logout and failure.

It runs as the gateway's own, unprivileged user, a few at a time, each with a deadline; a login never
waits for it, and when it cannot keep up events are left out and counted. Those of one client come in
their order. What is the matter is in the environment:

    COATI_EVENT               login, logout or failure
    COATI_EVENT_USER          ... and one variable for each column of the event
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = structlog.get_logger(__name__)

_AT_ONCE: Final = 4
_MOST_WAITING: Final = 256
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ")
_MOST_WORDS_OCTETS: Final = 2_000


class Hook:
    """Tells a program of events.

    Args:
        program: By its full path; empty: nobody is told.
        seconds: How long one run may take.
        most_waiting: How many events each of the lines in front of it may hold.

    Attributes:
        left_out: Events that it was not told of since the start, for it was too slow.
    """

    def __init__(self, program: str, *, seconds: float = 10.0, most_waiting: int = _MOST_WAITING) -> None:
        self.left_out = 0
        self._program = program
        self._seconds = seconds
        self._lines: list[asyncio.Queue[dict[str, str]]] = [asyncio.Queue(most_waiting) for _ in range(_AT_ONCE)]

    @property
    def obstacle(self) -> str:
        """Why the program cannot be run; empty when it can, or when there is none."""
        if not self._program or os.access(self._program, os.X_OK):
            return ""
        there = os.path.exists(self._program)  # noqa: PTH110  text it is
        return f"the hook {self._program} {'may not be run by this user' if there else 'cannot be found'}"

    def tell(self, event: Mapping[str, Any]) -> None:
        """Have the program told of an event; never waits.

        Args:
            event: A row of the table ``events``.
        """
        if not self._program:
            return
        whose = event["peer_address"] if event["peer_id"] is None else event["peer_id"]
        line = self._lines[hash(whose) % _AT_ONCE]
        try:
            line.put_nowait(_environment(event))
        except asyncio.QueueFull:
            self.left_out += 1
            if self.left_out.bit_count() == 1:  # at 1, 2, 4, 8 ...
                logger.error("the hook is too slow: events were left out", hook=self._program, events=self.left_out)  # noqa: TRY400

    async def run(self) -> None:
        """Run the program for each event, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(self._work(line))

    async def finish(self, seconds: float) -> None:
        """Wait until the program was told of everything, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(line.join() for line in self._lines))

    async def _work(self, line: asyncio.Queue[dict[str, str]]) -> None:
        while True:
            environment = await line.get()
            try:
                await self._run(environment)
            except Exception:
                logger.exception("running the hook")  # the next event is to be told all the same
            finally:
                line.task_done()

    async def _run(self, environment: dict[str, str]) -> None:
        about = {"hook": self._program, "told": environment["COATI_EVENT"], "user": environment["COATI_EVENT_USER"]}
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            logger.error("the hook cannot be run", **about, error=error.strerror)  # noqa: TRY400
            return
        try:
            async with asyncio.timeout(self._seconds):
                words = await _first_words(process)
                status = await process.wait()
        except TimeoutError:
            logger.error("the hook took too long and was killed", **about, seconds=self._seconds)  # noqa: TRY400
        else:
            if status != 0:
                logger.error("the hook failed", **about, status=status, words=words)
        finally:
            with contextlib.suppress(ProcessLookupError):  # with whatever it left running
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _first_words(process: asyncio.subprocess.Process) -> str:
    """Read standard error to its end; give its beginning."""
    assert process.stderr is not None  # noqa: S101  a pipe was asked for
    kept = b""
    while octets := await process.stderr.read(4096):
        kept = (kept + octets)[:_MOST_WORDS_OCTETS]
    return kept.decode("utf-8", "replace").strip()


def _environment(event: Mapping[str, Any]) -> dict[str, str]:
    about = {f"COATI_EVENT_{name.upper()}": _text(value) for name, value in event.items() if name != "kind"}
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "COATI_EVENT": str(event["kind"]), **about}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return "" if value is None else str(value)
