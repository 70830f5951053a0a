"""The channel between a gateway and its data plane: a ``SOCK_SEQPACKET`` pair, and what stands at its ends.

One datagram is one order or one report (``order_messages``); the socket keeps them whole and in order.
The channel outlives a gateway that crashes: the keeper holds both ends and hands the same one to the
gateway's successor.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import select
import socket
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Protocol

from ike_engine.dataplane.databases import Databases, DatabasesPart
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Expired,
    InstallFailed,
    Order,
    PathObserved,
    QueryCounters,
    QueryDatabases,
    Report,
    Told,
)
from ike_engine.dataplane.order_messages import COUNTERS_PER_REPORT, MAXIMUM_OCTETS, decode, decode_order, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOG = logging.getLogger(__name__)

MOST_WAITING_OCTETS = 16 << 20
"""Counters of some 280,000 Child SAs."""


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Make a channel: the gateway's end and the data plane's end, both non-blocking."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def is_over(end: socket.socket) -> bool:
    """Whether nobody has the other end of a pair any more: nothing to read may also be an empty datagram."""
    poll = select.poll()
    poll.register(end, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


class AppliesOrders(Protocol):
    """A data plane that lives in the process which reads the channel (``xfrm``, ``none``)."""

    def apply(self, order: Order) -> None:
        """Carry out one order now."""

    def attach(self, report: Callable[[Told], None]) -> None:
        """Send all reports to ``report`` from now on."""


class Outbox:
    """Reports on their way to a gateway: never blocks, keeps their order, and loses none while there is room.

    The socket holds counters of some 3,000 Child SAs. What it has no room for waits here until the gateway reads on.
    One that does not (it hangs, or is being restarted) loses reports at last rather than take the data plane's memory:
    it asks for counters when it is back, and expired SAs are absent from them.

    Args:
        channel: The data plane's end, non-blocking.
        watch: Called with whether something waits; have ``flush`` called when the channel has room again.
        most_octets: So much may wait.
    """

    def __init__(
        self, channel: socket.socket, watch: Callable[[bool], None], *, most_octets: int = MOST_WAITING_OCTETS
    ) -> None:
        self._channel = channel
        self._watch = watch
        self._most_octets = most_octets
        self._waiting: deque[bytes] = deque()
        self._octets = 0

    def put(self, report: Told) -> bool:
        """Send a report, one about many Child SAs in parts; all of it or, when there is no room, nothing.

        Returns:
            Whether there was room.
        """
        datagrams = [encode(part) for part in _parts(report)]
        octets = sum(map(len, datagrams))
        if self._octets + octets > self._most_octets:
            _LOG.warning("lost a %s for the gateway, which does not read", type(report).__name__)
            return False
        idle = not self._waiting
        self._waiting += datagrams
        self._octets += octets
        if idle:
            self._send()
            if self._waiting:
                self._watch(True)
        return True

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        if self._waiting:
            self._send()
            if not self._waiting:
                self._watch(False)

    def _send(self) -> None:
        try:
            while self._waiting:
                self._channel.send(self._waiting[0])
                self._octets -= len(self._waiting.popleft())
        except BlockingIOError:
            return
        except OSError:  # closed for good: whoever reads orders finds out
            self._waiting.clear()
            self._octets = 0


def _parts(report: Told) -> Iterator[Told]:
    if not isinstance(report, Counters):
        yield report
        return
    children = report.children
    for start in range(0, max(len(children), 1), COUNTERS_PER_REPORT):
        end = start + COUNTERS_PER_REPORT
        yield Counters(children[start:end], report.number, last=report.last and end >= len(children))


class ServedDataPlane:
    """The other end of the channel, for a data plane inside an asyncio event loop (the keeper's).

    Args:
        channel: The data plane's end; this object owns it from now on.
        plane: What carries out the orders and makes the reports.
    """

    def __init__(self, channel: socket.socket, plane: AppliesOrders) -> None:
        self._channel = channel
        self._plane = plane
        self._loop = asyncio.get_running_loop()
        channel.setblocking(False)
        self._outbox = Outbox(channel, self._watch)
        plane.attach(self._report)
        self._loop.add_reader(channel, self._receive)

    def close(self) -> None:
        """Stop reading orders; the data plane keeps what is installed."""
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()

    def _watch(self, waiting: bool) -> None:
        if waiting:
            self._loop.add_writer(self._channel, self._outbox.flush)
        else:
            self._loop.remove_writer(self._channel)

    def _receive(self) -> None:
        try:
            datagram = self._channel.recv(MAXIMUM_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not datagram and is_over(self._channel):
            self.close()
            return
        try:
            self._plane.apply(decode_order(datagram))
        except ValueError as error:
            _LOG.error("refused an order from the gateway: %s", error)

    def _report(self, report: Told) -> None:
        if self._channel.fileno() >= 0:
            self._outbox.put(report)


class RemoteDataPlane:
    """The gateway's end of the channel, in an asyncio event loop; implements ``DataPlane``.

    Args:
        channel: The gateway's end; this object owns it from now on.
        lost: Called once, in the event loop, when the data plane has gone away.
    """

    def __init__(self, channel: socket.socket, lost: Callable[[], None] | None = None) -> None:
        self._channel = channel
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._subscribers: list[Callable[[Report], None]] = []
        self._early: list[Report] = []  # came before anybody subscribed
        # Queries under way by number, in order: who waits, or None for subscribers. A gateway before us, which crashed,
        # may have asked as well: its answers have numbers that we did not draw.
        self._queries: dict[int, asyncio.Future[tuple[ChildCounters, ...]] | None] = {}
        self._numbers = count(secrets.randbits(31))
        self._partial: list[ChildCounters] = []
        self._stocktakings: dict[int, asyncio.Future[DatabasesPart]] = {}
        channel.setblocking(False)
        self._loop.add_reader(channel, self._receive)

    def submit(self, order: Order) -> None:
        """Hand over an order; never blocks. Nothing happens when the data plane is gone."""
        if isinstance(order, QueryCounters):
            self._query(order.inbound_spis, None)
        else:
            self._send(encode(order))

    def subscribe(self, receive: Callable[[Report], None]) -> None:
        """Have ``receive`` called, in the event loop, for every report."""
        self._subscribers.append(receive)
        for report in self._early:
            self._loop.call_soon(receive, report)
        self._early.clear()

    async def counters(self, inbound_spis: tuple[int, ...] = ()) -> tuple[ChildCounters, ...]:
        """Ask for counters and wait for them (empty tuple: of all Child SAs).

        Raises:
            ConnectionError: the data plane is gone, or its answer was lost because this process did not read for long.
        """
        if self._channel.fileno() < 0:
            raise ConnectionError("the data plane is gone")
        answer: asyncio.Future[tuple[ChildCounters, ...]] = self._loop.create_future()
        self._query(inbound_spis, answer)
        return await answer

    async def databases(self) -> Databases:
        """Ask for the SAD and the SPD as they are, part after part.

        Raises:
            ConnectionError: the data plane is gone.
        """
        number = secrets.randbits(32)
        parts: list[Databases] = []
        try:
            for part in count():
                if self._channel.fileno() < 0:
                    raise ConnectionError("the data plane is gone")
                answer = self._stocktakings[number] = self._loop.create_future()
                self._send(encode(QueryDatabases(number, part)))
                report = await answer
                parts.append(report.held)
                if report.last:
                    break
        finally:
            self._stocktakings.pop(number, None)
        return Databases(
            tuple(entry for held in parts for entry in held.sad), tuple(entry for held in parts for entry in held.spd)
        )

    def close(self) -> None:
        """Leave the channel; what still waits for an answer gets ``ConnectionError``."""
        if self._channel.fileno() < 0:
            return
        self._loop.remove_reader(self._channel)
        self._loop.remove_writer(self._channel)
        self._channel.close()
        self._unsent.clear()
        for waiting in (*self._queries.values(), *self._stocktakings.values()):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError("the data plane is gone"))
        self._queries.clear()

    def _query(self, inbound_spis: tuple[int, ...], answer: asyncio.Future[tuple[ChildCounters, ...]] | None) -> None:
        number = next(self._numbers)
        self._queries[number] = answer
        self._send(encode(QueryCounters(inbound_spis, number)))

    def _send(self, datagram: bytes) -> None:
        if self._channel.fileno() < 0:
            return
        if not self._unsent:
            try:
                self._channel.send(datagram)
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._send_rest)
            except OSError:
                self._gone()
                return
            else:
                return
        self._unsent.append(datagram)

    def _send_rest(self) -> None:
        try:
            while self._unsent:
                self._channel.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._gone()
            return
        self._loop.remove_writer(self._channel)

    def _receive(self) -> None:
        try:
            datagram = self._channel.recv(MAXIMUM_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            datagram = b""
        if not datagram:
            self._gone()
            return
        report = decode(datagram)
        if isinstance(report, Counters):
            self._receive_counters(report)
        elif isinstance(report, DatabasesPart):
            waiting = self._stocktakings.get(report.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(report)
        elif isinstance(report, InstallFailed | Expired | PathObserved):
            self._publish(report)

    def _receive_counters(self, report: Counters) -> None:
        if report.number not in self._queries:
            return
        self._give_up_before(report.number)
        self._partial.extend(report.children)
        if not report.last:
            return
        children = tuple(self._partial)
        self._partial.clear()
        waiting = self._queries.pop(report.number)
        if waiting is None:
            self._publish(Counters(children))
        elif not waiting.done():
            waiting.set_result(children)

    def _give_up_before(self, number: int) -> None:
        """Answers come in order: those to queries before this one were lost, or the rest of the last of them."""
        while (oldest := next(iter(self._queries))) != number:
            self._partial.clear()
            if (waiting := self._queries.pop(oldest)) is not None and not waiting.done():
                waiting.set_exception(ConnectionError("the answer was lost"))

    def _publish(self, report: Report) -> None:
        if not self._subscribers:
            self._early.append(report)
        for receive in self._subscribers:
            receive(report)

    def _gone(self) -> None:
        self.close()
        if self._lost is not None:
            self._lost()
