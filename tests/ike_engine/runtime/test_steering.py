"""The steering program run by the kernel on loopback: who gets which datagram."""

from __future__ import annotations

import random
import select
import socket
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from ike_engine.path import Address
from ike_engine.runtime.steering import program, steer
from ike_engine.runtime.udp import KEEPALIVE, NON_ESP_MARKER, bind

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Group:
    """The sockets of one port, and one that sends to them from ever new ports, as a moving NAT would."""

    def __init__(self, opened: ExitStack, *, shards: int, marked: bool, esp: bool = False) -> None:
        self.sockets = [opened.enter_context(closing(bind(Address("127.0.0.1", 0), shared=True)))]
        self.address = Address(*self.sockets[0].getsockname())
        for _ in range(shards + esp - 1):
            self.sockets.append(opened.enter_context(closing(bind(self.address, shared=True))))
        steer(self.sockets, program(shards=shards, marked=marked, esp=esp))

    def taker(self, datagram: bytes) -> int:
        """Send ``datagram`` and tell which socket of the group has got it."""
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.sendto(datagram, self.address)
        [ready], _, _ = select.select(self.sockets, [], [], 5)
        assert ready.recv(65_535) == datagram
        return self.sockets.index(ready)


def ike(initiator_spi: bytes, responder_spi: bytes) -> bytes:
    return initiator_spi + responder_spi + bytes(12)


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("shards", [1, 2, 5])
def test_an_sa_belongs_to_the_shard_its_spi_names(opened: ExitStack, shards: int, *, marked: bool) -> None:
    group = Group(opened, shards=shards, marked=marked, esp=marked)
    front = NON_ESP_MARKER if marked else b""
    draw = random.Random(shards)
    for first_octet in (*range(12), 254, 255):
        message = ike(draw.randbytes(8), bytes([first_octet]) + draw.randbytes(7))
        assert group.taker(front + message) == first_octet % shards


@pytest.mark.parametrize("marked", [False, True])
def test_retransmissions_of_a_first_message_reach_the_same_shard_and_strangers_are_spread(
    opened: ExitStack, *, marked: bool
) -> None:
    group = Group(opened, shards=3, marked=marked)
    front = NON_ESP_MARKER if marked else b""
    draw = random.Random(3)
    takers = []
    for _ in range(30):
        message = front + ike(draw.randbytes(8), bytes(8))
        taker = group.taker(message)
        assert group.taker(message) == taker
        takers.append(taker)
    assert set(takers) == {0, 1, 2}


def test_a_responder_spi_that_begins_with_zeros_is_not_a_first_message(opened: ExitStack) -> None:
    group = Group(opened, shards=4, marked=False)
    # Its initiator's SPI would name shard 3.
    assert group.taker(ike(bytes(7) + b"\x03", bytes(7) + b"\x01")) == 0


@pytest.mark.parametrize("shards", [1, 3])
def test_esp_goes_to_the_socket_behind_the_shards(opened: ExitStack, shards: int) -> None:
    group = Group(opened, shards=shards, marked=True, esp=True)
    for spi in (256, 0x0000FFFF, 0xC0A70001, 0xFFFFFFFF):
        for octets in (4, 28, 1400):
            assert group.taker(spi.to_bytes(4) + bytes(octets - 4)) == shards


@pytest.mark.parametrize("datagram", [b"", KEEPALIVE, b"\xff\xff\xff", NON_ESP_MARKER, NON_ESP_MARKER + b"\x01"])
def test_what_is_neither_goes_to_an_ike_socket(opened: ExitStack, datagram: bytes) -> None:
    assert Group(opened, shards=3, marked=True, esp=True).taker(datagram) == 0


def test_without_an_esp_socket_everything_stays_with_the_shards(opened: ExitStack) -> None:
    assert Group(opened, shards=1, marked=True).taker(b"\xc0\xa7\x00\x01" + bytes(60)) == 0


@pytest.mark.parametrize("shards", [0, 257])
def test_an_octet_names_at_most_256_shards(shards: int) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        program(shards=shards, marked=True)


def test_esp_cannot_be_told_from_unmarked_ike() -> None:
    with pytest.raises(ValueError, match="marked"):
        program(shards=1, marked=False, esp=True)
