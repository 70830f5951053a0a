"""The esp process on a loopback socket, with a datagram socket where its TUN device would be."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.dataplane import esp
from ike_engine.dataplane.channel import open_pair
from ike_engine.dataplane.databases import Databases, DatabasesPart, Direction
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Expired,
    Install,
    InstallFailed,
    Installing,
    Order,
    PathObserved,
    QueryCounters,
    QueryDatabases,
    Remove,
    Report,
    UpdatePath,
)
from ike_engine.dataplane.order_messages import SPIS_PER_ORDER, decode, encode
from ike_engine.dataplane.userspace import BURST, COUNTERS_A_TURN, EspProcess, runs
from ike_engine.path import Address, Path
from tests.ike_engine.dataplane.samples import SUITES, child_sa, inner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ike_engine.child_sa import ChildSa

TO_CLIENT = inner("10.77.0.2", "10.9.0.5")
FROM_CLIENT = inner("10.9.0.5", "10.77.0.2")


class Bench:
    """An esp process in a thread, and everything around it in our hands."""

    def __init__(self, bound_to: str, *, by_itself: bool = True) -> None:
        self.tun, tun = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel, channel = open_pair()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((bound_to, 0))
        self.gateway = Address("127.0.0.1", udp.getsockname()[1])
        self.client = self.client_socket()
        self.process = EspProcess(tun.fileno(), udp, channel)
        self._ends = (tun, udp, channel)
        self._thread = threading.Thread(target=self.process.run)
        if by_itself:
            self._thread.start()
        self._sockets = [self.client]

    @staticmethod
    def client_socket(address: str = "127.0.0.1") -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind((address, 0))
        client.settimeout(60)
        return client

    def child(self, suite: Any = SUITES[0], **changed: Any) -> ChildSa:
        path = Path(self.gateway, Address(*self.client.getsockname()), nat_t=True)
        return child_sa(suite, **{"path": path, **changed})

    def order(self, *orders: Order) -> None:
        for order in orders:
            self.channel.send(encode(order))

    def report(self) -> Report:
        assert select.select([self.channel], [], [], 10)[0], "no report came"
        report = decode(self.channel.recv(65536))
        assert isinstance(report, InstallFailed | Expired | PathObserved | Counters)
        return report

    def counters(self) -> tuple[ChildCounters, ...]:
        """Ask for counters; what was ordered before has then been carried out."""
        self.order(QueryCounters())
        report = self.report()
        assert isinstance(report, Counters), report
        return report.children

    def databases(self) -> Databases:
        """Ask for the databases, which fit one part here."""
        self.order(QueryDatabases(number=3, part=0))
        assert select.select([self.channel], [], [], 10)[0], "no answer came"
        part = decode(self.channel.recv(65536))
        assert isinstance(part, DatabasesPart)
        assert (part.number, part.last) == (3, True)
        return part.held

    def install(self, *children: ChildSa) -> None:
        self.order(*(Install(child, Installing.BOTH) for child in children))
        self.counters()

    def wait_for_drops(self, count: int) -> None:
        """Wait until so many inner packets were dropped."""
        deadline = time.monotonic() + 60
        while self.process.dropped < count:
            assert time.monotonic() < deadline, f"{self.process.dropped} dropped"
            self.counters()

    def close(self) -> None:
        self.channel.close()
        if not self._thread.ident:
            self._thread.start()
        self._thread.join(10)
        assert not self._thread.is_alive()
        for end in (*self._ends, self.tun, self.client):
            end.close()


class ClientEnd:
    """What a client does with its half of a Child SA."""

    def __init__(self, bench: Bench, child: ChildSa) -> None:
        self._bench = bench
        self._seal = esp.seal(child.inbound_spi, child.suite, child.inbound_keys)
        self._unseal = esp.unseal(child.suite, child.outbound_keys)

    def sealed(self, sequence: int, packet: bytes = FROM_CLIENT) -> bytes:
        return self._seal(sequence, packet)

    def send(self, sequence: int, packet: bytes = FROM_CLIENT, *, by: socket.socket | None = None) -> None:
        (by or self._bench.client).sendto(self.sealed(sequence, packet), self._bench.gateway)

    def receive(self, by: socket.socket | None = None) -> tuple[int, bytes]:
        """The sequence number and the inner packet of the next ESP packet."""
        datagram, source = (by or self._bench.client).recvfrom(65535)
        assert source == self._bench.gateway
        return int.from_bytes(datagram[4:8], "big"), esp.inner_packet(self._unseal(datagram))


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"], ids=["bound to an address", "bound to any"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    bench.tun.settimeout(60)
    yield bench
    bench.close()


@pytest.mark.parametrize("suite", [SUITES[0], SUITES[5], SUITES[-1]], ids=str)
def test_packets_cross_in_both_directions(bench: Bench, suite: Any) -> None:
    child = bench.child(suite)
    client = ClientEnd(bench, child)
    bench.install(child)
    for sequence in (1, 2, 3):
        client.send(sequence)
        assert bench.tun.recv(2048) == FROM_CLIENT
        bench.tun.send(TO_CLIENT)
        assert client.receive() == (sequence, TO_CLIENT)
    (counters,) = bench.counters()
    assert (counters.packets_in, counters.packets_out) == (3, 3)
    assert (counters.octets_in, counters.octets_out) == (3 * len(FROM_CLIENT), 3 * len(TO_CLIENT))
    assert counters.idle_seconds is not None
    assert counters.idle_seconds < 10


def test_a_burst_arrives_whole_in_order_and_cut_as_it_was(bench: Bench) -> None:
    """More than one UDP_SEGMENT send can carry, in sizes that rise and fall, some for another child."""
    child = bench.child()
    client = ClientEnd(bench, child)
    bench.install(child)
    packets = [inner("10.77.0.2", "10.9.0.5", bytes(size)) for size in [1380] * 70 + [1380, 500, 500, 1380, 20, 1380]]
    for packet in packets:
        bench.tun.send(packet)
    assert [client.receive() for _ in packets] == list(enumerate(packets, 1))


def test_datagrams_that_the_kernel_put_together_are_taken_apart(bench: Bench) -> None:
    child = bench.child()
    client = ClientEnd(bench, child)
    bench.install(child)
    packets = [inner("10.9.0.5", "10.77.0.2", bytes([number] * 1000)) for number in range(20)]
    packets.append(inner("10.9.0.5", "10.77.0.2", b"the last one is shorter"))
    datagrams = [client.sealed(sequence, packet) for sequence, packet in enumerate(packets, 1)]
    segment = (socket.IPPROTO_UDP, 103, struct.pack("=H", len(datagrams[0])))
    bench.client.sendmsg(datagrams, [segment], 0, bench.gateway)
    assert [bench.tun.recv(2048) for _ in packets] == packets


def test_what_it_holds_is_shown_with_what_was_carried_and_without_keys(bench: Bench) -> None:
    child = bench.child()
    client = ClientEnd(bench, child)
    bench.install(child)
    client.send(7)
    assert bench.tun.recv(2048) == FROM_CLIENT
    held = bench.databases()
    inbound, outbound = held.sad
    assert (inbound.direction, inbound.spi, inbound.packets) == (Direction.IN, child.inbound_spi, 1)
    assert (inbound.sequence, inbound.source) == (7, child.path.remote)
    assert (outbound.direction, outbound.spi, outbound.packets) == (Direction.OUT, child.outbound_spi, 0)
    assert {entry.direction for entry in held.spd} == {Direction.IN, Direction.OUT}
    assert bytes(child.inbound_keys.encryption).hex() not in repr(held)
    bench.order(Remove((child.inbound_spi,)))
    assert bench.databases() == Databases()


def test_a_packet_that_comes_again_is_dropped(bench: Bench) -> None:
    child = bench.child()
    client = ClientEnd(bench, child)
    bench.install(child)
    datagram = client.sealed(5)
    for again in (datagram, datagram, client.sealed(4), client.sealed(4)):
        bench.client.sendto(again, bench.gateway)
    client.send(6)
    assert [bench.tun.recv(2048) for _ in range(3)] == [FROM_CLIENT] * 3
    (counters,) = bench.counters()
    assert (counters.packets_in, counters.replays, counters.integrity_failures) == (3, 2, 0)


def test_what_is_not_authentic_is_dropped_and_moves_nothing(bench: Bench) -> None:
    child = bench.child()
    client = ClientEnd(bench, child)
    bench.install(child)
    stranger = bench.client_socket()
    forged = bytearray(client.sealed(1000))
    forged[-1] ^= 1
    stranger.sendto(forged, bench.gateway)
    stranger.sendto(b"\0\0\0\1" + bytes(40), bench.gateway)
    stranger.sendto(b"\xff", bench.gateway)
    client.send(1)
    assert bench.tun.recv(2048) == FROM_CLIENT
    bench.tun.send(TO_CLIENT)
    assert client.receive() == (1, TO_CLIENT)
    (counters,) = bench.counters()
    assert (counters.integrity_failures, counters.replays) == (1, 0)
    assert bench.process.unknown_spis == 2
    stranger.close()


def test_the_next_authentic_packet_moves_a_peer_whose_nat_changed(bench: Bench) -> None:
    old, new = bench.child(), bench.child(inbound_spi=0xC0000002, outbound_spi=0xD0000002)
    client = ClientEnd(bench, old)
    bench.install(old, new)
    late = client.sealed(1)
    client.send(2)
    bench.tun.recv(2048)
    rebound = bench.client_socket()
    client.send(3, by=rebound)
    assert bench.tun.recv(2048) == FROM_CLIENT
    moved = Path(bench.gateway, Address(*rebound.getsockname()), nat_t=True)
    assert bench.report() == PathObserved(old.inbound_spi, moved)
    # Late packets of the old mapping are taken but do not move it back; the newer SA moved as well.
    bench.client.sendto(late, bench.gateway)
    assert bench.tun.recv(2048) == FROM_CLIENT
    bench.tun.send(TO_CLIENT)
    assert ClientEnd(bench, new).receive(rebound) == (1, TO_CLIENT)
    rebound.close()


def test_a_path_that_ike_proved_is_taken(bench: Bench) -> None:
    child = bench.child()
    bench.install(child)
    rebound = bench.client_socket()
    path = Path(bench.gateway, Address(*rebound.getsockname()), nat_t=True)
    bench.order(UpdatePath((child.inbound_spi,), path))
    bench.counters()
    bench.tun.send(TO_CLIENT)
    assert ClientEnd(bench, child).receive(rebound) == (1, TO_CLIENT)
    rebound.close()


def test_selectors_are_kept(bench: Bench) -> None:
    child = bench.child()
    client = ClientEnd(bench, child)
    bench.install(child)
    client.send(1, inner("10.9.0.6", "10.77.0.2"))
    # quirk: vpnc 0.5.3: sends an IPv6 router solicitation under the next header of IPv4
    client.send(2, b"\x60" + bytes(47))
    client.send(3)
    assert bench.tun.recv(2048) == FROM_CLIENT
    bench.tun.send(inner("10.77.0.2", "10.9.0.6"))
    bench.tun.send(TO_CLIENT)
    assert client.receive() == (1, TO_CLIENT)
    (counters,) = bench.counters()
    assert counters.packets_in == 1
    assert bench.process.dropped == 3


def test_an_old_sa_receives_until_it_is_removed(bench: Bench) -> None:
    old, new = bench.child(), bench.child(inbound_spi=0xC0000002, outbound_spi=0xD0000002)
    bench.install(old, new)
    ClientEnd(bench, old).send(1)
    assert bench.tun.recv(2048) == FROM_CLIENT
    bench.tun.send(TO_CLIENT)
    assert ClientEnd(bench, new).receive() == (1, TO_CLIENT)
    bench.order(Remove((old.inbound_spi,)))
    bench.counters()
    ClientEnd(bench, old).send(2)
    ClientEnd(bench, new).send(1, inner("10.9.0.5", "10.77.0.3"))
    assert bench.tun.recv(2048) == inner("10.9.0.5", "10.77.0.3")
    assert bench.process.unknown_spis == 1


def test_an_inbound_half_alone_receives(bench: Bench) -> None:
    child = bench.child()
    bench.order(Install(child, Installing.INBOUND))
    bench.counters()
    ClientEnd(bench, child).send(1)
    assert bench.tun.recv(2048) == FROM_CLIENT
    bench.tun.send(TO_CLIENT)
    bench.wait_for_drops(1)
    bench.order(Install(child, Installing.OUTBOUND))
    bench.counters()
    bench.tun.send(inner("10.77.0.3", "10.9.0.5"))
    assert ClientEnd(bench, child).receive() == (1, inner("10.77.0.3", "10.9.0.5"))


def test_esp_without_udp_is_refused_in_words(bench: Bench) -> None:
    bench.order(Install(bench.child(encapsulated=False), Installing.BOTH))
    assert bench.report() == InstallFailed(0xC0000001, "the userspace data plane carries ESP in UDP only")
    assert bench.counters() == ()


def test_an_sa_ends_with_its_seconds(bench: Bench) -> None:
    child = bench.child(lifetime_seconds=1)
    bench.install(child)
    assert [bench.report(), bench.report()] == [Expired(child.inbound_spi, hard=hard) for hard in (False, True)]
    assert bench.counters() == ()


def test_an_sa_ends_with_its_kilobytes(bench: Bench) -> None:
    child = bench.child(lifetime_kilobytes=10)
    client = ClientEnd(bench, child)
    bench.install(child)
    packet = inner("10.77.0.2", "10.9.0.5", bytes(1004))
    for _ in range(9):
        bench.tun.send(packet)
        client.receive()
    assert bench.report() == Expired(child.inbound_spi, hard=False)
    bench.tun.send(packet)
    client.receive()
    assert bench.report() == Expired(child.inbound_spi, hard=True)


def test_rubbish_on_the_channel_is_survived(bench: Bench) -> None:
    bench.channel.send(b"rubbish")
    bench.channel.send(b"")
    bench.channel.send(encode(Expired(300, hard=True)))
    assert bench.counters() == ()


def test_a_gateway_that_is_slow_to_read_a_long_answer_stops_no_packet_and_loses_nothing(bench: Bench) -> None:
    child = bench.child()
    bench.install(child)
    asked = (child.inbound_spi,) * SPIS_PER_ORDER  # takes more room than the channel has
    bench.order(QueryCounters(asked, number=7), UpdatePath((child.inbound_spi,), child.path))
    bench.tun.send(TO_CLIENT)
    assert ClientEnd(bench, child).receive() == (1, TO_CLIENT)
    answered: list[int] = []
    while len(answered) < len(asked):
        part = bench.report()
        assert isinstance(part, Counters)
        answered += [each.inbound_spi for each in part.children]
        assert (part.number, part.last) == (7, len(answered) == len(asked))
    assert len(bench.counters()) == 1


@pytest.fixture
def by_hand() -> Iterator[Bench]:
    """A bench whose process takes a turn when we say so."""
    bench = Bench("127.0.0.1", by_itself=False)
    yield bench
    bench.close()


def test_packets_have_their_turn_between_the_parts_of_a_long_answer(by_hand: Bench) -> None:
    bench, children = by_hand, 3 * COUNTERS_A_TURN
    crowd = [bench.child(peer_id=100 + number, inbound_spi=0xC0001000 + number) for number in range(children)]
    for child in (*crowd, bench.child()):
        bench.order(Install(child, Installing.BOTH))
        bench.process.turn()
    client = ClientEnd(bench, bench.child())
    bench.order(QueryCounters(number=1), QueryCounters((0xC0001000,), number=2), Remove((0xC0001000, 0xC0001000 + 150)))
    answered: list[Counters] = []
    for sequence in range(1, 6):
        bench.tun.send(TO_CLIENT)
        bench.process.turn()
        assert client.receive() == (sequence, TO_CLIENT)
        while select.select([bench.channel], [], [], 0)[0]:
            answered.append(bench.report())  # type: ignore[arg-type]
        assert len(answered[0].children) <= COUNTERS_A_TURN
        assert sum(len(part.children) for part in answered) <= sequence * (COUNTERS_A_TURN + 1)
    assert [(part.number, part.last) for part in answered] == [(1, False)] * 3 + [(1, True), (2, True)]
    told = [each.inbound_spi for part in answered[:-1] for each in part.children]
    assert told == [child.inbound_spi for child in crowd if child.inbound_spi not in (0xC0001000, 0xC0001000 + 150)] + [
        0xC0000001
    ]
    # It was asked for by name and is counted as it was when its removal had not been read yet.
    assert [each.inbound_spi for each in answered[-1].children] == [0xC0001000]


def test_an_address_that_cannot_be_reached_stops_nothing(bench: Bench) -> None:
    nowhere = Path(bench.gateway, Address("255.255.255.255", 4500), nat_t=True)  # not without SO_BROADCAST
    lost = bench.child(peer_id=8, inbound_spi=0xC0000002, path=nowhere)
    bench.install(lost)
    for _ in range(3):
        bench.tun.send(TO_CLIENT)
    bench.wait_for_drops(3)
    child = bench.child()
    bench.install(child)
    bench.tun.send(TO_CLIENT)
    assert ClientEnd(bench, child).receive() == (1, TO_CLIENT)


@given(st.lists(st.sampled_from([40, 100, 1400, 1428, 9000, 60000]), max_size=200))
def test_runs_are_what_udp_segment_can_carry(sizes: list[int]) -> None:
    datagrams = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    cut = list(runs(datagrams))
    assert [datagram for run in cut for datagram in run] == datagrams
    for run in cut:
        assert len({len(datagram) for datagram in run[:-1]}) <= 1
        assert len(run[-1]) <= len(run[0])
        assert len(run) <= BURST
        assert len(run) == 1 or sum(map(len, run)) <= 65535 - 28
