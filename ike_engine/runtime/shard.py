"""Drives one ``Endpoint``: datagrams and answers in, outputs out in their order, one timer.

The endpoint is pure; this is its clock, its network and its memory of who is still thinking. One
event loop, no locks: everything here runs to completion before the next thing starts.

Nothing that a peer sends may end the loop. A bug met while handling one datagram is logged with its
place, counted, and costs that datagram.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ike_engine.actions import (
    AnswerPrompt,
    Ask,
    Authenticate,
    Command,
    Configure,
    InstallBoth,
    InstallInbound,
    InstallOutbound,
    MoveChildren,
    Output,
    Question,
    Refused,
    Rejected,
    RemoveChildren,
    Transmit,
    Withdraw,
)
from ike_engine.dataplane.interface import DataPlane, Install, Installing, Remove, Report, UpdatePath
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from ike_engine.events import Event
    from ike_engine.path import Path
    from ike_engine.runtime.udp import UdpSocket

logger = logging.getLogger(__name__)

AnswerQuestion = Callable[[Question[Any]], Awaitable[Any]]

# A timer that fails keeps its place in the heap; without a pause it would be tried again at once, for ever.
_PAUSE_AFTER_FAILED_TIMER_SECONDS = 1.0
# The same bug can be met a thousand times a second by who wants it: tell each place once in a while.
_SAME_PLACE_SECONDS = 60.0


class Core(Protocol):
    """The sans-IO engine as ``ike_engine.endpoint.Endpoint`` offers it; ``now`` is in seconds, monotonic."""

    def receive_datagram(self, data: bytes, path: Path, now: float) -> None:
        """Take an IKE message, without non-ESP marker."""

    def answer(self, ask_id: int, value: Any, now: float) -> None:  # noqa: ANN401  the question names the type
        """Take the answer to an ``Ask``."""

    def handle_timer(self, now: float) -> None:
        """Do what is due."""

    def command(self, command: Command, now: float) -> None:
        """Do what the administrator or the client's user wants."""

    def report(self, report: Report, now: float) -> None:
        """Take news of the data plane."""

    def take_outputs(self) -> Sequence[Output]:
        """Give what is to be done, in order, and forget it."""

    def next_timer(self) -> float | None:
        """Tell when ``handle_timer`` is wanted next."""


@dataclass(slots=True)
class ShardCounters:
    """What went through a shard, for metrics.

    Attributes:
        datagrams: Messages handed to the endpoint.
        mishaps: Exceptions caught that no design foresaw: each one is a bug to report.
    """

    datagrams: int = 0
    mishaps: int = 0


class Shard:
    """One endpoint in one event loop.

    Args:
        endpoint: The engine.
        plain: Socket of port 500.
        nat_t: Socket of port 4500.
        data_plane: Takes the Child SAs and reports about them.
        answer: Called for every question; an exception becomes the safe refusal.
        on_event: Called for every event, in order with all other outputs; must not block.
        loop: The event loop; default: the running one. Its clock is the endpoint's ``now``.
    """

    def __init__(
        self,
        endpoint: Core,
        *,
        plain: UdpSocket,
        nat_t: UdpSocket,
        data_plane: DataPlane,
        answer: AnswerQuestion,
        on_event: Callable[[Event], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.counters = ShardCounters()
        self._endpoint = endpoint
        self._plain = plain
        self._nat_t = nat_t
        self._data_plane = data_plane
        self._answer = answer
        self._on_event = on_event
        self._loop = loop or asyncio.get_running_loop()
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._carrying_out = False
        self._told: dict[tuple[type[BaseException], str, int], float] = {}

    def start(self) -> None:
        """Begin to listen."""
        self._data_plane.subscribe(self._on_report)
        self._plain.listen(self._loop, self._on_datagram)
        self._nat_t.listen(self._loop, self._on_datagram)
        self._carry_out()

    async def close(self) -> None:
        """Stop at once: sockets closed, answers in work cancelled. Say goodbye by a command before."""
        self._plain.close()
        self._nat_t.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = list(self._answering.values())
        self._answering.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def command(self, command: Command) -> None:
        """Hand ``command`` to the endpoint and carry out what follows from it.

        Raises:
            Exception: what the endpoint raised; its outputs up to there are carried out all the same.
        """
        try:
            self._endpoint.command(command, self._loop.time())
        finally:
            self._carry_out()

    # ---- what comes in ----------------------------------------------------------------------

    def _on_datagram(self, data: bytes, path: Path) -> None:
        self.counters.datagrams += 1
        try:
            self._endpoint.receive_datagram(data, path, self._loop.time())
        except Exception as error:  # noqa: BLE001  the loop must outlive every bug
            self._mishap(error, f"handling {len(data)} octets from {path.remote}")
        self._carry_out()

    def _on_report(self, report: Report) -> None:
        try:
            self._endpoint.report(report, self._loop.time())
        except Exception as error:  # noqa: BLE001
            self._mishap(error, f"handling the data plane's {type(report).__name__}")
        self._carry_out()

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = self._endpoint.next_timer()
        if due is not None and due <= now:  # else it was put off since we armed
            try:
                self._endpoint.handle_timer(now)
            except Exception as error:  # noqa: BLE001
                self._not_before = now + _PAUSE_AFTER_FAILED_TIMER_SECONDS
                self._mishap(error, "handling a timer")
        self._carry_out()

    def _on_answer(self, ask_id: int, value: Any) -> None:  # noqa: ANN401
        try:
            self._endpoint.answer(ask_id, value, self._loop.time())
        except Exception as error:  # noqa: BLE001
            self._mishap(error, f"handling the answer {type(value).__name__}")
        self._carry_out()

    # ---- what goes out ----------------------------------------------------------------------

    def _carry_out(self) -> None:
        """Carry out every output, in order, then arm the timer.

        An output may lead straight back here (a data plane that reports at once): then the outer
        call takes what the inner one added, behind what it still has in hand.
        """
        if self._carrying_out:
            return
        self._carrying_out = True
        try:
            while outputs := self._endpoint.take_outputs():
                for output in outputs:
                    try:
                        self._do(output)
                    except Exception as error:  # noqa: BLE001
                        self._mishap(error, f"carrying out {type(output).__name__}")
        finally:
            self._carrying_out = False
        self._arm()

    def _do(self, output: Output) -> None:
        match output:
            case Transmit(data, path):
                (self._nat_t if path.nat_t else self._plain).send(data, path)
            case Ask(ask_id, question):
                self._answering[ask_id] = self._loop.create_task(self._find_answer(ask_id, question))
            case Withdraw(ask_id):
                if (task := self._answering.pop(ask_id, None)) is not None:
                    task.cancel()
            case InstallBoth(child):
                self._data_plane.submit(Install(child, Installing.BOTH))
            case InstallInbound(child):
                self._data_plane.submit(Install(child, Installing.INBOUND))
            case InstallOutbound(child):
                self._data_plane.submit(Install(child, Installing.OUTBOUND))
            case RemoveChildren(inbound_spis):
                self._data_plane.submit(Remove(inbound_spis))
            case MoveChildren(inbound_spis, path):
                self._data_plane.submit(UpdatePath(inbound_spis, path))
            case _:
                self._on_event(output)

    async def _find_answer(self, ask_id: int, question: Question[Any]) -> None:
        try:
            value = await self._answer(question)
        except Exception as error:  # noqa: BLE001
            self._mishap(error, f"answering {type(question).__name__}")
            value = _refusal(question)
        if self._answering.get(ask_id) is asyncio.current_task():
            del self._answering[ask_id]
            self._on_answer(ask_id, value)

    def _arm(self) -> None:
        """Have ``_on_timer`` called in time.

        Deadlines move away far more often than closer (every message that arrives puts one off), so
        a timer that is early stays: it wakes once for nothing instead of being re-armed each time.
        """
        due = self._endpoint.next_timer()
        if due is None:
            return
        due = max(due, self._not_before)
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._on_timer)

    def _mishap(self, error: Exception, doing: str) -> None:
        """Count a bug, and log it with its traceback unless the same place was told a short while ago."""
        self.counters.mishaps += 1
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = (type(error), place.tb_frame.f_code.co_filename if place else "", place.tb_lineno if place else 0)
        now = self._loop.time()
        if now >= self._told.get(where, 0.0):
            self._told[where] = now + _SAME_PLACE_SECONDS
            logger.error("unexpected %s while %s", type(error).__name__, doing, exc_info=error)


def _refusal(question: Question[Any]) -> Rejected | Refused | Secret | None:
    """Give the answer that lets nobody in, when the true one could not be found."""
    match question:
        case Authenticate():
            return Rejected("internal error while checking the login; see the log")
        case Configure():
            return Refused("internal error while preparing the configuration; see the log")
        case AnswerPrompt():
            return Secret()
        case _:
            return None
