"""UDP sockets that know both ends of every datagram (RFC 2408 section 2.5.1; RFC 3948 sections 2.2 and 2.3).

A reply must leave from the address that the request came to: a NAT, a firewall and the peer's
NAT-D hash all insist on it. A socket bound to the wildcard address learns it from IP_PKTINFO and
gives it back the same way.

On the NAT-T flow this is the place where the non-ESP marker is put in front and taken off, and
where keepalives end. ESP never comes here: the kernel or the steering program (``steering``)
takes it before.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ike_engine.path import Address, Path

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger(__name__)

NON_ESP_MARKER = bytes(4)
KEEPALIVE = b"\xff"

# Numbers of <linux/in.h> and <asm-generic/socket.h> that Python 3.11's socket module does not name.
_IP_PKTINFO = 8
_IP_MTU_DISCOVER = 10
_IP_PMTUDISC_DONT = 0
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33

# struct in_pktinfo: interface index, the address to answer from, the destination in the header.
_PKTINFO = struct.Struct("@i4s4s")
_PKTINFO_SPACE = socket.CMSG_SPACE(_PKTINFO.size)
_LARGEST_DATAGRAM = 65_535
# A storm must not keep timers and answers waiting: one login message costs up to a few milliseconds.
_BATCH = 16
# Local addresses are few; the bound only protects from a host that has thousands of them.
_REMEMBERED_ADDRESSES = 256

Receive = Callable[[bytes, Path], None]


def bind(address: Address, *, shared: bool = False, buffer_octets: int = 4 << 20) -> socket.socket:
    """Open a UDP socket fit for ``UdpSocket``; needs privilege for a port below 1024.

    Args:
        address: IPv4 address (``0.0.0.0`` for all) and port (0 for any).
        shared: Join the SO_REUSEPORT group of that port; the order of binding is the order in the group.
        buffer_octets: Receive and send buffer; beyond the system's limit only with CAP_NET_ADMIN.

    Raises:
        OSError: as bind(2): in use, not ours, not allowed.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        # A message with certificates is larger than the path: let routers fragment it rather than lose it.
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        _enlarge(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, buffer_octets)
        _enlarge(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF, buffer_octets)
        sock.bind((address.ip, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _enlarge(sock: socket.socket, force: int, ask: int, octets: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, octets)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, ask, octets)


@dataclass(slots=True)
class SocketCounters:
    """What passed through a socket, in datagrams.

    Attributes:
        received: Handed to the engine.
        sent: Accepted by the kernel.
        keepalives: NAT keepalives (RFC 3948 section 2.3) received and dropped.
        not_ike: Too short, or ESP that should have gone elsewhere; dropped.
        receive_errors: Errors of the network reported when reading.
        send_errors: Datagrams the kernel would not send; retransmission makes up for them.
    """

    received: int = 0
    sent: int = 0
    keepalives: int = 0
    not_ike: int = 0
    receive_errors: int = 0
    send_errors: int = 0


class UdpSocket:
    """One bound IKE socket in an event loop.

    Args:
        sock: From ``bind`` (possibly inherited from the process that was allowed to open it).
        nat_t: This is the NAT-T flow (port 4500): mark and unmark messages.
    """

    def __init__(self, sock: socket.socket, *, nat_t: bool) -> None:
        sock.setblocking(False)
        ip, port = sock.getsockname()[:2]
        self.local = Address(ip, port)
        self.nat_t = nat_t
        self.counters = SocketCounters()
        self._sock = sock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._locals: dict[bytes, Address] = {}
        self._sources: dict[str, list[tuple[int, int, bytes]]] = {}
        self._errors_told: set[int] = set()

    def listen(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        """Have ``receive(message, path)`` called in ``loop`` for every IKE message, without its marker.

        ``receive`` must not raise: the datagrams behind the one it chokes on would wait for the next.
        """
        self._loop = loop
        loop.add_reader(self._sock, self._on_readable, receive)

    def send(self, message: bytes, path: Path) -> None:
        """Send ``message`` from ``path.local.ip`` to ``path.remote``; never blocks, never raises for the network.

        What cannot be sent is counted: to IKE it is a datagram lost on the way.
        """
        self._transmit((NON_ESP_MARKER, message) if self.nat_t else (message,), path)

    def keep_alive(self, path: Path) -> None:
        """Send a NAT keepalive (RFC 3948 section 2.3): it keeps our mapping in the NAT, and nobody answers it."""
        self._transmit((KEEPALIVE,), path)

    def _transmit(self, octets: tuple[bytes, ...], path: Path) -> None:
        source = self._sources.get(path.local.ip)
        if source is None:
            source = self._remember_source(path.local.ip)
        try:
            self._sock.sendmsg(octets, source, 0, path.remote)
        except OSError as error:
            self.counters.send_errors += 1
            self._tell_once(error, f"sending {sum(map(len, octets))} octets to {path.remote}")
        else:
            self.counters.sent += 1

    def close(self) -> None:
        """Stop listening and close the socket; ``send`` then only counts errors."""
        if self._loop is not None:
            self._loop.remove_reader(self._sock)
            self._loop = None
        self._sock.close()

    def _on_readable(self, receive: Receive) -> None:
        for _ in range(_BATCH):
            try:
                data, ancillary, _, remote = self._sock.recvmsg(_LARGEST_DATAGRAM, _PKTINFO_SPACE)
            except BlockingIOError:
                return
            except OSError as error:  # an ICMP error of an earlier datagram, or the interface went away
                self.counters.receive_errors += 1
                self._tell_once(error, "receiving")
                if self._loop is None or self._sock.fileno() < 0:
                    return
                continue
            if self.nat_t:
                if data[:4] != NON_ESP_MARKER or len(data) == len(NON_ESP_MARKER):
                    self._count_foreign(data)
                    continue
                data = data[4:]
            if not ancillary:
                self.counters.not_ike += 1
                continue
            pktinfo = ancillary[0][2]
            local = self._locals.get(pktinfo)
            if local is None:
                local = self._remember_local(pktinfo)
            self.counters.received += 1
            receive(data, Path(local, Address(*remote), self.nat_t))
            if self._loop is None:  # closed by what we delivered
                return

    def _count_foreign(self, data: bytes) -> None:
        if data == KEEPALIVE:
            self.counters.keepalives += 1
        else:
            self.counters.not_ike += 1

    def _remember_local(self, pktinfo: bytes) -> Address:
        _, _, destination = _PKTINFO.unpack_from(pktinfo)
        local = Address(socket.inet_ntoa(destination), self.local.port)
        if len(self._locals) >= _REMEMBERED_ADDRESSES:
            self._locals.clear()
        self._locals[pktinfo] = local
        return local

    def _remember_source(self, ip: str) -> list[tuple[int, int, bytes]]:
        source = [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(0, socket.inet_aton(ip), bytes(4)))]
        if len(self._sources) >= _REMEMBERED_ADDRESSES:
            self._sources.clear()
        self._sources[ip] = source
        return source

    def _tell_once(self, error: OSError, doing: str) -> None:
        """Log the first error of each kind: a firewall rule of our own host shows, a storm does not fill the disk."""
        number = error.errno or 0
        if number == errno.EAGAIN or number in self._errors_told:
            return
        self._errors_told.add(number)
        logger.warning("UDP %s: %s: %s (further ones are only counted)", self.local, doing, os.strerror(number))
