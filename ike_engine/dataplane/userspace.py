"""The esp process: ESP in UDP (RFC 3948) between a TUN device and the ESP half of port 4500.

    inner IPv4 packet --TUN--> seal --UDP--> peer
    peer --UDP--> unseal, check selectors --TUN--> inner IPv4 packet

One thread, one loop, no privilege: it is handed a TUN device, a bound UDP socket and its end of the
channel, and needs nothing else. It outlives the gateway process, as a kernel would, and ends when
the channel is closed for good.

What makes it fast is how seldom it enters the kernel's UDP stack: packets that were waiting on the TUN
together leave as one datagram that the kernel (or the network card) cuts up (UDP_SEGMENT), and what
the kernel put together on arrival is taken in one piece (UDP_GRO). docs/decisions/0020 has the numbers,
and what was tried and did not pay.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from ike_engine import log_lines
from ike_engine.dataplane import esp
from ike_engine.dataplane.channel import Outbox, is_over
from ike_engine.dataplane.databases import Stock
from ike_engine.dataplane.interface import (
    Counters,
    Install,
    InstallFailed,
    Order,
    PathObserved,
    QueryCounters,
    QueryDatabases,
    Remove,
    Told,
    UpdatePath,
)
from ike_engine.dataplane.order_messages import MAXIMUM_OCTETS, decode_order
from ike_engine.dataplane.security_associations import InstalledChild, SecurityAssociations
from ike_engine.path import Address, Path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LOG = logging.getLogger(__name__)

BURST = 16
"""Packets taken from one side before the others have their turn, and the most that leave in one send.

Four times as many would save a tenth of our CPU time, but come at once at a client whose socket buffer (212,992 octets
by default in Linux) holds some ninety and which takes 25 microseconds for each: it would lose the ends of bursts.
"""

COUNTERS_A_TURN = 64
"""Child SAs that an answer tells of before packets have their turn again: some tenths of a millisecond."""

ENTRIES_A_TURN = 20
"""The same of each database, for people to read."""

_LARGEST_PACKET = 65535
_LARGEST_RUN = 65000  # octets in one UDP_SEGMENT send, headers left aside
_SWEEP_SECONDS = 1.0
_TELL_SECONDS = 60.0
_SEND_TIMEOUT = struct.pack("@ll", 0, 20_000)  # struct timeval: 20 ms
_SOCKET_BUFFER_OCTETS = 4 << 20

# linux/udp.h and linux/in.h; the socket module does not name them.
_UDP_SEGMENT = 103
_UDP_GRO = 104
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 10, 0
_IP_PKTINFO = 8

_Ancillary = tuple[int, int, bytes]


class EspProcess:
    """The loop and its three ends; ``run`` returns when the channel is closed.

    Args:
        tun: File descriptor of a TUN device opened without packet information.
        udp: Bound UDP socket on which only ESP arrives.
        channel: Our end of the channel to the gateway.
        settle: Called every second.
    """

    def __init__(
        self, tun: int, udp: socket.socket, channel: socket.socket, settle: Callable[[], None] = lambda: None
    ) -> None:
        self._tun = tun
        self._udp = udp
        self._channel = channel
        self._settle = settle
        self._poll = select.epoll()
        self._outbox = Outbox(channel, self._watch)
        self._associations = SecurityAssociations()
        self._stock = Stock(lambda: self._associations.databases(time.monotonic()), ENTRIES_A_TURN)
        self._answers: deque[Iterator[Counters]] = deque()  # those asked for first come first
        self._bound_to_any = udp.getsockname()[0] == "0.0.0.0"
        self.unknown_spis = 0
        """Packets that named no inbound SA of ours."""
        self.dropped = 0
        """Inner packets that nobody's selectors fit, or that could not be passed on."""
        os.set_blocking(tun, False)
        channel.setblocking(False)
        # A send waits a moment for room, so that a full queue slows the TUN side down instead of losing
        # packets; a receive is told not to wait.
        udp.setblocking(True)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            udp.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_OCTETS)
        # Routers with a smaller MTU may fragment what we send: inner packets already fit any common
        # path, and a peer behind a narrower one is better served by fragments than by silence.
        udp.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        udp.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)

        for descriptor in (tun, udp.fileno(), channel.fileno()):
            self._poll.register(descriptor, select.EPOLLIN)
        self._next_sweep = time.monotonic()
        self._next_word = self._next_sweep + _TELL_SECONDS

    def run(self) -> None:
        """Carry packets and orders until the channel is closed."""
        with self._poll:
            while self.turn():
                pass

    def turn(self) -> bool:
        """Wait until there is something to do, and do some of each; False when the channel is closed."""
        ready = {descriptor for descriptor, _ in self._poll.poll(0 if self._answers else _SWEEP_SECONDS)}
        # Orders first: an inbound SA is ordered before the message that lets the peer use it.
        if self._channel.fileno() in ready:
            self._outbox.flush()
            if not self._take_orders():
                return False
        if self._udp.fileno() in ready:
            self._take_datagrams()
        if self._tun in ready:
            self._take_packets()
        if self._answers:
            self._answer()
        now = time.monotonic()
        if now >= self._next_sweep:
            self._sweep(now)
        return True

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + _SWEEP_SECONDS
        for expired in self._associations.expire(now):
            self._report(expired)
        self._settle()
        if now >= self._next_word:
            self._next_word = now + _TELL_SECONDS
            self._tell()

    # ---- from the gateway's networks to a peer ----

    def _take_packets(self) -> None:
        associations = self._associations
        flows = associations.flows
        batches: dict[InstalledChild, list[bytes]] = {}
        for _ in range(BURST):
            try:
                packet = os.read(self._tun, _LARGEST_PACKET)
            except BlockingIOError:
                break
            child = flows.get(packet[12:20]) or associations.outbound(packet)
            if child is None:
                self.dropped += 1
            elif child in batches:
                batches[child].append(packet)
            else:
                batches[child] = [packet]
        for child, packets in batches.items():
            self._send(child, packets)

    def _send(self, child: InstalledChild, packets: list[bytes]) -> None:
        seal, sequence = child.seal, child.sequence
        if seal is None or sequence + len(packets) > esp.LAST_SEQUENCE:
            self.dropped += len(packets)
        else:
            datagrams = [seal(number, packet) for number, packet in enumerate(packets, sequence + 1)]
            child.sequence = sequence + len(packets)
            child.packets_out += len(packets)
            child.octets_out += sum(map(len, packets))
            for run in runs(datagrams):
                self._transmit(run, child.peer.path)
        if child.octets_out >= child.octet_alarm or child.sequence >= child.sequence_alarm:
            self._report(self._associations.limit_reached(child))

    def _transmit(self, run: Sequence[bytes], path: Path) -> None:
        # The peer's NAT lets in only what comes from the address that the peer sent to.
        ancillary = [_source(path.local.ip)] if self._bound_to_any else []
        if len(run) > 1:
            ancillary.append((socket.IPPROTO_UDP, _UDP_SEGMENT, len(run[0]).to_bytes(2, sys.byteorder)))
        try:
            self._udp.sendmsg(run, ancillary, 0, path.remote)
        except OSError as error:
            if len(run) == 1:
                self.dropped += 1
                _LOG.debug("could not send to %s: %s", path.remote, error)
                return
            # An outgoing link too narrow for one segment: alone they may be fragmented.
            for datagram in run:
                self._transmit((datagram,), path)

    # ---- from a peer to the gateway's networks ----

    def _take_datagrams(self) -> None:
        inbound = self._associations.inbound
        now = time.monotonic()
        taken = 0
        while taken < BURST:
            try:
                octets, ancillary, _, remote = self._udp.recvmsg(_LARGEST_PACKET, 64, socket.MSG_DONTWAIT)
            except OSError:  # nothing left; or an ICMP error about an earlier send, which ESP does not act upon
                return
            datagrams = [octets] if not ancillary else _cut(octets, ancillary)
            taken += len(datagrams)
            for datagram in datagrams:
                child = inbound.get(datagram[:4])
                if child is None:
                    self.unknown_spis += 1
                else:
                    self._receive(child, datagram, remote, now)

    def _receive(self, child: InstalledChild, datagram: bytes, remote: tuple[str, int], now: float) -> None:
        unseal, window = child.unseal, child.window
        sequence = int.from_bytes(datagram[4:8], "big")
        if unseal is None or not window.admits(sequence):
            child.replays += 1
            return
        try:
            plaintext = unseal(datagram)
        except InvalidTag:
            child.integrity_failures += 1
            return
        if remote != child.peer.path.remote and sequence > window.highest:
            self._follow(child, remote)
        window.accept(sequence)
        child.last_inbound = now
        packet = esp.inner_packet(plaintext)
        if not packet or not child.admits(packet):
            self.dropped += 1
            return
        child.packets_in += 1
        child.octets_in += len(packet)
        try:
            os.write(self._tun, packet)
        except OSError as error:
            self.dropped += 1
            _LOG.debug("the TUN device refused a packet: %s", error)
        if child.octets_in >= child.octet_alarm:
            self._report(self._associations.limit_reached(child))

    def _follow(self, child: InstalledChild, remote: tuple[str, int]) -> None:
        """Answer where an authentic packet, newer than all before it, came from: a NAT changed its mapping."""
        child.peer.path = Path(child.peer.path.local, Address(*remote), nat_t=True)
        self._report(PathObserved(child.inbound_spi, child.peer.path))

    # ---- orders and reports ----

    def _take_orders(self) -> bool:
        """Carry out what is waiting; False when the channel is closed."""
        for _ in range(BURST):
            try:
                datagram = self._channel.recv(MAXIMUM_OCTETS)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not datagram and is_over(self._channel):
                return False
            try:
                self._apply(decode_order(datagram))
            except ValueError as error:
                _LOG.error("refused an order from the gateway: %s", error)
        return True

    def _apply(self, order: Order) -> None:
        now = time.monotonic()
        match order:
            case Install(child) if not child.encapsulated:
                self._report(InstallFailed(child.inbound_spi, "the userspace data plane carries ESP in UDP only"))
            case Install():
                self._associations.install(order, now)
            case Remove():
                self._associations.remove(order)
            case UpdatePath():
                self._associations.update_path(order)
            case QueryCounters((), number):
                self._answers.append(self._count(self._associations.spis(), number))
            case QueryCounters(spis, number):  # at once: they may be removed by the next order
                self._answers.append(iter((Counters(self._associations.counters(spis, now), number),)))
            case QueryDatabases(number, part):
                self._report(self._stock.part(number, part))

    def _count(self, spis: tuple[int, ...], number: int) -> Iterator[Counters]:
        """Give an answer in parts, each counted when it is its turn; what is gone by then is not in it."""
        for start in range(0, max(len(spis), 1), COUNTERS_A_TURN):
            end = start + COUNTERS_A_TURN
            children = self._associations.counters(spis[start:end], time.monotonic())
            yield Counters(children, number, last=end >= len(spis))

    def _answer(self) -> None:
        """Go on with what was asked for; packets wait for no more than a part of a long answer."""
        told = 0
        while self._answers and told < COUNTERS_A_TURN:
            part = next(self._answers[0], None)
            if part is None or not self._outbox.put(part):  # it is whole, or what is left of it would be of no use
                self._answers.popleft()
            else:
                told += len(part.children) if part.last else COUNTERS_A_TURN

    def _report(self, report: Told) -> None:
        self._outbox.put(report)

    def _watch(self, waiting: bool) -> None:
        self._poll.modify(self._channel, select.EPOLLIN | select.EPOLLOUT if waiting else select.EPOLLIN)

    def _tell(self) -> None:
        if self.unknown_spis or self.dropped:
            _LOG.info("dropped %d packets of unknown SPIs and %d inner packets", self.unknown_spis, self.dropped)
        self.unknown_spis = self.dropped = 0


def runs(datagrams: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut a row of datagrams into runs that one UDP_SEGMENT send can carry, order kept.

    In a run all are of one size, but the last may be shorter (udp(7)).
    """
    start, count = 0, len(datagrams)
    while start < count:
        size = len(datagrams[start])
        limit = min(count, start + min(BURST, _LARGEST_RUN // size))
        end = start + 1
        while end < limit and len(datagrams[end]) == size:
            end += 1
        if end < limit and len(datagrams[end]) < size:
            end += 1
        yield datagrams[start:end]
        start = end


def _cut(octets: bytes, ancillary: list[_Ancillary]) -> list[bytes]:
    """Take apart what UDP_GRO put together; the ancillary data tells the size of the pieces."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_UDP and kind == _UDP_GRO:
            size = int.from_bytes(data[:4], sys.byteorder)
            return [octets[start : start + size] for start in range(0, len(octets), size)]
    return [octets]


@functools.lru_cache(maxsize=64)  # our own addresses are few
def _source(ip: str) -> _Ancillary:
    """Ancillary data that makes a datagram leave from one of our addresses (ip(7), IP_PKTINFO)."""
    return (socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I4s4x", 0, socket.inet_aton(ip)))


def main() -> None:
    """Run on inherited file descriptors: ``python -m ike_engine.dataplane.userspace TUN UDP CHANNEL``."""
    log_lines.speak("esp")
    tun, udp, channel = map(int, sys.argv[1:4])
    _LOG.info("doing ESP in user space")
    # What has lived for a second is an SA, and goes by itself when it is removed: Python need not look for cycles among
    # them again. With 10,000 Child SAs that took up to 0.4 s, in which no packet moved.
    EspProcess(tun, socket.socket(fileno=udp), socket.socket(fileno=channel), settle=gc.freeze).run()


if __name__ == "__main__":
    main()
