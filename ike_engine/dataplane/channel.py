"""The channel between a gateway and its data plane: a ``SOCK_SEQPACKET`` pair, and what stands at its ends.

One datagram is one order or one report (``order_messages``); the socket keeps them whole and in order.
The channel outlives a gateway that crashes: the keeper holds both ends and hands the same one to the
gateway's successor.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
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
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Make a channel: the gateway's end and the data plane's end, both non-blocking."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


class AppliesOrders(Protocol):
    """A data plane that lives in the process which reads the channel (``xfrm``, ``none``)."""

    def apply(self, order: Order) -> None:
        """Carry out one order now."""

    def attach(self, report: Callable[[Told], None]) -> None:
        """Send all reports to ``report`` from now on."""


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
        plane.attach(self._report)
        self._loop.add_reader(channel, self._receive)

    def close(self) -> None:
        """Stop reading orders; the data plane keeps what is installed."""
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel)
            self._channel.close()

    def _receive(self) -> None:
        try:
            datagram = self._channel.recv(MAXIMUM_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            datagram = b""
        if not datagram:
            self.close()
            return
        try:
            self._plane.apply(decode_order(datagram))
        except ValueError as error:
            _LOG.error("refused an order from the gateway: %s", error)

    def _report(self, report: Told) -> None:
        if self._channel.fileno() >= 0:
            send_report(self._channel, report)


def send_report(channel: socket.socket, report: Told) -> None:
    """Send a report, an answer about many Child SAs in parts, on a non-blocking channel.

    A gateway that does not read (it hangs, or is being restarted) loses reports rather than stop
    the data plane: it asks for counters when it is back, and expired SAs are absent from them.
    """
    parts: list[Told] = [report]
    if isinstance(report, Counters):
        children = report.children
        starts = range(0, len(children) + 1, COUNTERS_PER_REPORT)
        parts = [Counters(children[start : start + COUNTERS_PER_REPORT]) for start in starts]
    try:
        for part in parts:
            channel.send(encode(part))
    except OSError as error:
        _LOG.warning("lost a %s for the gateway: %s", type(report).__name__, error)


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
        # One entry for every QueryCounters under way, in order: who waits, or None for subscribers.
        self._queries: deque[asyncio.Future[tuple[ChildCounters, ...]] | None] = deque()
        self._partial: list[ChildCounters] = []
        self._stocktakings: dict[int, asyncio.Future[DatabasesPart]] = {}
        channel.setblocking(False)
        self._discard_old_answers()
        self._loop.add_reader(channel, self._receive)

    def submit(self, order: Order) -> None:
        """Hand over an order; never blocks. Nothing happens when the data plane is gone."""
        if isinstance(order, QueryCounters):
            self._queries.append(None)
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
            ConnectionError: the data plane is gone.
        """
        if self._channel.fileno() < 0:
            raise ConnectionError("the data plane is gone")
        answer: asyncio.Future[tuple[ChildCounters, ...]] = self._loop.create_future()
        self._queries.append(answer)
        self._send(encode(QueryCounters(inbound_spis)))
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
        for waiting in (*self._queries, *self._stocktakings.values()):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError("the data plane is gone"))
        self._queries.clear()

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

    def _discard_old_answers(self) -> None:
        """Drop answers that a gateway before us asked for; the channel outlives a gateway that crashes."""
        while True:
            try:
                datagram = self._channel.recv(MAXIMUM_OCTETS)
            except BlockingIOError:
                return
            if not datagram:
                return  # closed: the reader will find out
            report = decode(datagram)
            if isinstance(report, InstallFailed | Expired | PathObserved):
                self._early.append(report)

    def _receive_counters(self, report: Counters) -> None:
        if not self._queries:
            return
        self._partial.extend(report.children)
        if len(report.children) == COUNTERS_PER_REPORT:
            return
        children = tuple(self._partial)
        self._partial.clear()
        waiting = self._queries.popleft()
        if waiting is None:
            self._publish(Counters(children))
        elif not waiting.done():
            waiting.set_result(children)

    def _publish(self, report: Report) -> None:
        if not self._subscribers:
            self._early.append(report)
        for receive in self._subscribers:
            receive(report)

    def _gone(self) -> None:
        self.close()
        if self._lost is not None:
            self._lost()
