"""The esp process: ESP in UDP (RFC 3948) between a TUN device and the ESP half of port 4500.

    inner IPv4 packet --TUN--> seal --UDP--> peer
    peer --UDP--> unseal, check selectors --TUN--> inner IPv4 packet

One thread, one loop, no privilege: it is handed a TUN device, a bound UDP socket and its end of the
channel, and needs nothing else. It outlives the gateway process, as a kernel would, and ends when
the channel is closed for good.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
import sys
import time

from cryptography.exceptions import InvalidTag

from ike_engine.dataplane import channel as order_channel
from ike_engine.dataplane import esp
from ike_engine.dataplane.interface import (
    Counters,
    Install,
    InstallFailed,
    PathObserved,
    QueryCounters,
    Remove,
    Report,
    UpdatePath,
)
from ike_engine.dataplane.security_associations import InstalledChild, SecurityAssociations
from ike_engine.path import Address, Path

_LOG = logging.getLogger(__name__)

_UDP_SEGMENT = 103  # linux/udp.h
_UDP_GRO = 104

BURST = 64
"""Packets taken from one side before the other side has its turn; also UDP_MAX_SEGMENTS."""

_LARGEST_PACKET = 65535
_SHORTEST_DATAGRAM = esp.HEADER_OCTETS + 16


class EspProcess:
    """The loop and its three ends; ``run`` returns when the channel is closed.

    Args:
        tun: File descriptor of a TUN device opened without packet information.
        udp: Bound UDP socket on which only ESP arrives.
        channel: Our end of the channel to the gateway.
    """

    def __init__(self, tun: int, udp: socket.socket, channel: socket.socket) -> None:
        self._tun = tun
        self._udp = udp
        self._channel = channel
        self._associations = SecurityAssociations()
        self._bound_to_any = udp.getsockname()[0] == "0.0.0.0"
        self.unknown_spis = 0
        self.dropped_inner = 0
        os.set_blocking(tun, False)
        channel.setblocking(False)
        # Sends wait a moment for room, so that a full queue slows the TUN side down instead of losing
        # packets; receives are told not to wait.
        udp.setblocking(True)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, 20_000))

    def run(self) -> None:
        """Carry packets and orders until the channel is closed."""
        tun, udp, channel = self._tun, self._udp.fileno(), self._channel.fileno()
        with select.epoll() as poll:
            for descriptor in (tun, udp, channel):
                poll.register(descriptor, select.EPOLLIN)
            next_sweep = 0.0
            while True:
                ready = poll.poll(1.0)
                for descriptor, _ in ready:
                    if descriptor == tun:
                        self._from_tun()
                    elif descriptor == udp:
                        self._from_udp()
                    elif not self._from_channel():
                        return
                now = time.monotonic()
                if now >= next_sweep:
                    next_sweep = now + 1.0
                    for expired in self._associations.expire(now):
                        self._report(expired)

    # ---- gateway's networks to peer ----

    def _from_tun(self) -> None:
        flows = self._associations.flows
        batches: dict[InstalledChild, list[bytes]] = {}
        for _ in range(BURST):
            try:
                packet = os.read(self._tun, _LARGEST_PACKET)
            except BlockingIOError:
                break
            child = flows.get(packet[12:20]) or self._associations.outbound(packet)
            if child is None:
                self.dropped_inner += 1
            elif child in batches:
                batches[child].append(packet)
            else:
                batches[child] = [packet]
        for child, packets in batches.items():
            self._send(child, packets)

    def _send(self, child: InstalledChild, packets: list[bytes]) -> None:
        seal, sequence = child.seal, child.sequence
        if seal is None or sequence + len(packets) > esp.LAST_SEQUENCE:
            self.dropped_inner += len(packets)
            return
        datagrams = []
        octets = 0
        for packet in packets:
            sequence += 1
            octets += len(packet)
            datagrams.append(seal(sequence, packet))
        child.sequence = sequence
        child.packets_out += len(packets)
        child.octets_out += octets
        path = child.peer.path
        for datagram in datagrams:
            self._udp.sendto(datagram, path.remote)
        if child.octets_out >= child.octet_alarm or sequence >= child.sequence_alarm:
            self._report(self._associations.octets_passed(child))

    # ---- peer to gateway's networks ----

    def _from_udp(self) -> None:
        inbound = self._associations.inbound
        now = time.monotonic()
        for _ in range(BURST):
            try:
                datagram, remote = self._udp.recvfrom(_LARGEST_PACKET, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            child = inbound.get(datagram[:4])
            if child is None:
                self.unknown_spis += 1
            else:
                self._receive(child, datagram, remote, now)

    def _receive(self, child: InstalledChild, datagram: bytes, remote: tuple[str, int], now: float) -> None:
        unseal, window = child.unseal, child.window
        if unseal is None:
            return
        sequence = int.from_bytes(datagram[4:8], "big")
        if not window.admits(sequence):
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
            self.dropped_inner += 1
            return
        child.packets_in += 1
        child.octets_in += len(packet)
        try:
            os.write(self._tun, packet)
        except OSError:
            self.dropped_inner += 1
        if child.octets_in >= child.octet_alarm:
            self._report(self._associations.octets_passed(child))

    def _follow(self, child: InstalledChild, remote: tuple[str, int]) -> None:
        """Answer an authentic packet, newer than all before, where it came from: a NAT changed its mapping."""
        child.peer.path = Path(child.peer.path.local, Address(*remote), nat_t=True)
        self._report(PathObserved(child.inbound_spi, child.peer.path))

    # ---- orders and reports ----

    def _from_channel(self) -> bool:
        try:
            datagram = self._channel.recv(order_channel.MAXIMUM_OCTETS)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not datagram:
            return False
        try:
            order = order_channel.decode_order(datagram)
        except ValueError as error:
            _LOG.error("refused an order from the gateway: %s", error)
            return True
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
            case QueryCounters(spis):
                self._report(Counters(self._associations.counters(spis, now)))
        return True

    def _report(self, report: Report) -> None:
        order_channel.send_report(self._channel, report)


def main() -> None:
    """Run on inherited file descriptors: ``python -m ike_engine.dataplane.userspace TUN UDP CHANNEL``."""
    tun, udp, channel = map(int, sys.argv[1:4])
    EspProcess(tun, socket.socket(fileno=udp), socket.socket(fileno=channel)).run()


if __name__ == "__main__":
    main()
