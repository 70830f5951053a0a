"""UDP sockets on loopback: both ends known, marker on and off, keepalives dropped, errors survived."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from ike_engine.path import Address, Path
from ike_engine.runtime.udp import KEEPALIVE, NON_ESP_MARKER, UdpSocket, bind

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE = bytes(range(28))


class Inbox:
    """Collects what a socket delivers and lets a test wait for a number of messages."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Path]] = []
        self._arrived = asyncio.Event()

    def __call__(self, data: bytes, path: Path) -> None:
        self.messages.append((data, path))
        self._arrived.set()

    async def take(self, count: int) -> list[tuple[bytes, Path]]:
        async with asyncio.timeout(60):
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.messages


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(60)
        yield sock


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def ours(opened: ExitStack, *, nat_t: bool, ip: str = "0.0.0.0") -> UdpSocket:
    return opened.enter_context(closing(UdpSocket(bind(Address(ip, 0)), nat_t=nat_t)))


async def test_path_names_the_address_the_datagram_came_to(peer: socket.socket, opened: ExitStack) -> None:
    sock, inbox = ours(opened, nat_t=False), Inbox()
    sock.listen(asyncio.get_running_loop(), inbox)
    peer.sendto(MESSAGE, ("127.0.0.1", sock.local.port))
    peer.sendto(MESSAGE, ("127.0.0.2", sock.local.port))
    received = await inbox.take(2)
    remote = Address(*peer.getsockname())
    assert received == [
        (MESSAGE, Path(Address("127.0.0.1", sock.local.port), remote, nat_t=False)),
        (MESSAGE, Path(Address("127.0.0.2", sock.local.port), remote, nat_t=False)),
    ]


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.2"])
def test_reply_leaves_from_the_address_the_request_came_to(peer: socket.socket, opened: ExitStack, ip: str) -> None:
    sock = ours(opened, nat_t=False)
    sock.send(MESSAGE, Path(Address(ip, sock.local.port), Address(*peer.getsockname()), nat_t=False))
    assert peer.recvfrom(100) == (MESSAGE, (ip, sock.local.port))


def test_unspecified_local_address_leaves_the_choice_to_the_kernel(peer: socket.socket, opened: ExitStack) -> None:
    sock = ours(opened, nat_t=False)
    sock.send(MESSAGE, Path(Address("0.0.0.0", sock.local.port), Address(*peer.getsockname()), nat_t=False))
    assert peer.recvfrom(100) == (MESSAGE, ("127.0.0.1", sock.local.port))


async def test_nat_t_strips_the_marker_and_drops_what_is_not_ike(peer: socket.socket, opened: ExitStack) -> None:
    sock, inbox = ours(opened, nat_t=True), Inbox()
    sock.listen(asyncio.get_running_loop(), inbox)
    to = ("127.0.0.1", sock.local.port)
    esp = b"\x00\x00\x10\x01" + bytes(60)
    for datagram in (KEEPALIVE, b"", b"\x00\x00", NON_ESP_MARKER, esp, NON_ESP_MARKER + MESSAGE):
        peer.sendto(datagram, to)
    [(message, path)] = await inbox.take(1)
    assert message == MESSAGE
    assert path.nat_t
    assert (sock.counters.keepalives, sock.counters.not_ike, sock.counters.received) == (1, 4, 1)


def test_nat_t_puts_the_marker_in_front(peer: socket.socket, opened: ExitStack) -> None:
    sock = ours(opened, nat_t=True)
    sock.send(MESSAGE, Path(Address("127.0.0.1", sock.local.port), Address(*peer.getsockname()), nat_t=True))
    assert peer.recv(100) == NON_ESP_MARKER + MESSAGE
    assert sock.counters.sent == 1


async def test_a_storm_is_read_in_turns_with_the_rest_of_the_loop(peer: socket.socket, opened: ExitStack) -> None:
    sock, inbox = ours(opened, nat_t=False), Inbox()
    for _ in range(40):
        peer.sendto(MESSAGE, ("127.0.0.1", sock.local.port))
    loop = asyncio.get_running_loop()
    sock.listen(loop, inbox)
    seen: list[int] = []

    def look() -> None:
        seen.append(len(inbox.messages))
        if len(inbox.messages) < 40:
            loop.call_soon(look)

    loop.call_soon(look)
    await inbox.take(40)
    assert any(0 < count < 40 for count in seen)


@pytest.mark.parametrize(
    ("datagram", "remote"),
    [
        (bytes(66_000), Address("127.0.0.1", 9)),  # EMSGSIZE
        (MESSAGE, Address("255.255.255.255", 9)),  # EACCES
    ],
)
def test_what_the_kernel_will_not_send_is_counted_and_told_once(
    opened: ExitStack, caplog: pytest.LogCaptureFixture, datagram: bytes, remote: Address
) -> None:
    sock = ours(opened, nat_t=False)
    path = Path(Address("127.0.0.1", sock.local.port), remote, nat_t=False)
    sock.send(datagram, path)
    sock.send(datagram, path)
    assert (sock.counters.send_errors, sock.counters.sent) == (2, 0)
    assert len(caplog.records) == 1


async def test_an_icmp_error_does_not_stop_the_reading(peer: socket.socket, opened: ExitStack) -> None:
    raw = bind(Address("127.0.0.1", 0))
    raw.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: have port unreachable reported
    sock, inbox = opened.enter_context(closing(UdpSocket(raw, nat_t=False))), Inbox()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = Address(*gone.getsockname())
    sock.send(MESSAGE, Path(sock.local, nobody, nat_t=False))
    peer.sendto(MESSAGE, sock.local)
    sock.listen(asyncio.get_running_loop(), inbox)
    await inbox.take(1)
    assert sock.counters.receive_errors == 1


async def test_a_socket_closed_by_its_own_delivery_reads_no_further(peer: socket.socket, opened: ExitStack) -> None:
    sock, inbox = ours(opened, nat_t=False), Inbox()

    def receive(data: bytes, path: Path) -> None:
        inbox(data, path)
        sock.close()

    peer.sendto(MESSAGE, ("127.0.0.1", sock.local.port))
    peer.sendto(MESSAGE, ("127.0.0.1", sock.local.port))
    sock.listen(asyncio.get_running_loop(), receive)
    await inbox.take(1)
    sock.send(MESSAGE, Path(sock.local, Address(*peer.getsockname()), nat_t=False))
    assert (sock.counters.received, sock.counters.send_errors) == (1, 1)


def test_a_port_in_use_is_refused(opened: ExitStack) -> None:
    first = opened.enter_context(closing(bind(Address("127.0.0.1", 0))))
    with pytest.raises(OSError, match="in use") as refused:
        bind(Address(*first.getsockname()))
    assert refused.value.errno == errno.EADDRINUSE


def test_shared_sockets_take_the_same_port(opened: ExitStack) -> None:
    first = opened.enter_context(closing(bind(Address("127.0.0.1", 0), shared=True)))
    second = opened.enter_context(closing(bind(Address(*first.getsockname()), shared=True)))
    assert first.getsockname() == second.getsockname()
