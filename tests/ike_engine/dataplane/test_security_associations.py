from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.dataplane import esp
from ike_engine.dataplane.databases import Action, Databases, Direction, Owner
from ike_engine.dataplane.interface import Expired, Install, Installing, Remove, UpdatePath
from ike_engine.dataplane.security_associations import SOFT_SHARE, InstalledChild, SecurityAssociations
from ike_engine.path import Address, Path
from tests.ike_engine.dataplane.samples import CLIENT, GATEWAY, child_sa, inner

if TYPE_CHECKING:
    from ike_engine.child_sa import ChildSa

TO_CLIENT = inner("10.77.0.2", "10.9.0.5")


def numbered(number: int, **changed: Any) -> ChildSa:
    return child_sa(inbound_spi=0xC0000000 + number, outbound_spi=0xD0000000 + number, **changed)


def networks(*texts: str) -> tuple[IPv4Network, ...]:
    return tuple(map(IPv4Network, texts))


@pytest.fixture
def associations() -> SecurityAssociations:
    return SecurityAssociations()


def install(associations: SecurityAssociations, child: ChildSa, now: float = 0.0) -> InstalledChild:
    associations.install(Install(child, Installing.BOTH), now)
    return associations.inbound[child.inbound_spi.to_bytes(4, "big")]


def test_packets_for_a_virtual_ip_find_its_peer(associations: SecurityAssociations) -> None:
    mine = install(associations, numbered(1))
    other = install(associations, numbered(2, peer_id=8, remote_networks=networks("10.9.0.6")))
    assert associations.outbound(TO_CLIENT) is mine
    assert associations.outbound(inner("10.77.0.2", "10.9.0.6")) is other
    assert associations.outbound(inner("10.77.0.2", "10.9.0.7")) is None


@pytest.mark.parametrize("packet", [b"", b"\x45" + bytes(18), b"\x60" + bytes(39)], ids=["empty", "short", "IPv6"])
def test_what_is_no_ipv4_packet_is_nobodys(associations: SecurityAssociations, packet: bytes) -> None:
    install(associations, numbered(1, remote_networks=networks("0.0.0.0/0")))
    assert associations.outbound(packet) is None


def test_the_longest_prefix_wins(associations: SecurityAssociations) -> None:
    wide = install(associations, numbered(1, peer_id=1, remote_networks=networks("10.0.0.0/8")))
    narrow = install(associations, numbered(2, peer_id=2, remote_networks=networks("10.9.0.0/16")))
    host = install(associations, numbered(3, peer_id=3, remote_networks=networks("10.9.0.5")))
    assert associations.outbound(inner("10.77.0.2", "10.8.0.1")) is wide
    assert associations.outbound(inner("10.77.0.2", "10.9.1.1")) is narrow
    assert associations.outbound(TO_CLIENT) is host


def test_the_longest_prefix_wins_among_the_sas_of_one_peer_too(associations: SecurityAssociations) -> None:
    narrow = install(associations, numbered(1, remote_networks=networks("172.20.1.0/24")))
    host = install(associations, numbered(2))
    wide = install(associations, numbered(3, remote_networks=networks("172.20.0.0/16")))
    assert associations.outbound(inner("10.77.0.2", "172.20.1.9")) is narrow
    assert associations.outbound(inner("10.77.0.2", "172.20.2.9")) is wide
    assert associations.outbound(TO_CLIENT) is host
    rekeyed = install(associations, numbered(4, remote_networks=networks("172.20.1.0/24")))
    assert associations.outbound(inner("10.77.0.2", "172.20.1.9")) is rekeyed
    associations.remove(Remove((narrow.inbound_spi,)))
    assert associations.outbound(inner("10.77.0.2", "172.20.1.9")) is rekeyed
    associations.remove(Remove((rekeyed.inbound_spi,)))
    assert associations.outbound(inner("10.77.0.2", "172.20.1.9")) is wide


def test_a_network_behind_a_peer_that_gave_it_up_is_whose_it_was(associations: SecurityAssociations) -> None:
    first = install(associations, numbered(1, peer_id=1, remote_networks=networks("172.20.0.0/16")))
    host = install(associations, numbered(2, peer_id=2))
    second = install(associations, numbered(3, peer_id=2, remote_networks=networks("172.20.1.0/24")))
    to_behind = inner("10.77.0.2", "172.20.1.9")
    assert associations.outbound(to_behind) is second
    associations.remove(Remove((second.inbound_spi,)))
    assert associations.outbound(to_behind) is first
    assert associations.outbound(TO_CLIENT) is host
    associations.remove(Remove((first.inbound_spi,)))
    assert associations.outbound(to_behind) is None


def test_what_is_behind_a_peer_takes_the_sa_that_was_made_for_it(associations: SecurityAssociations) -> None:
    own = install(associations, numbered(1))
    behind = install(associations, numbered(2, remote_networks=networks("172.20.1.0/24")))
    assert behind.admits(inner("172.20.1.9", "10.77.0.2"))
    assert not behind.admits(inner("172.20.2.9", "10.77.0.2"))
    assert not behind.admits(inner("10.9.0.5", "10.77.0.2"))
    assert not own.admits(inner("172.20.1.9", "10.77.0.2"))


def test_the_newest_outbound_half_carries_and_the_old_inbound_half_stays(associations: SecurityAssociations) -> None:
    old = install(associations, numbered(1))
    assert associations.outbound(TO_CLIENT) is old
    new = numbered(2)
    associations.install(Install(new, Installing.INBOUND), 1.0)
    assert associations.outbound(TO_CLIENT) is old
    associations.install(Install(new, Installing.OUTBOUND), 1.0)
    carrying = associations.outbound(TO_CLIENT)
    assert carrying is not None
    assert carrying.inbound_spi == new.inbound_spi
    assert old.unseal is not None
    associations.remove(Remove((old.inbound_spi,)))
    assert associations.outbound(TO_CLIENT) is carrying
    assert list(associations.inbound) == [new.inbound_spi.to_bytes(4, "big")]


def test_each_subnet_of_a_peer_takes_the_sa_that_was_negotiated_for_it(associations: SecurityAssociations) -> None:
    office = install(associations, numbered(1, local_networks=networks("10.77.0.0/24", "10.79.0.0/24")))
    laboratory = install(associations, numbered(2, local_networks=networks("10.78.0.0/24")))
    assert associations.outbound(TO_CLIENT) is office
    assert associations.outbound(inner("10.79.0.1", "10.9.0.5")) is office
    assert associations.outbound(inner("10.78.0.2", "10.9.0.5")) is laboratory
    assert associations.outbound(inner("10.80.0.2", "10.9.0.5")) is None


def test_the_cache_of_flows_never_outlives_what_it_points_to(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1))
    associations.outbound(TO_CLIENT)
    assert associations.flows == {TO_CLIENT[12:20]: child}
    install(associations, numbered(2))
    assert associations.flows == {}
    associations.outbound(TO_CLIENT)
    associations.remove(Remove((0xC0000001, 0xC0000002, 0xC0000003)))
    assert associations.flows == {}
    assert associations.outbound(TO_CLIENT) is None
    assert associations.spis() == ()


def test_a_peer_may_only_use_its_own_address_and_reach_what_was_agreed(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1, local_networks=networks("10.77.0.0/24")))
    for _ in range(2):  # once more, from memory
        assert child.admits(inner("10.9.0.5", "10.77.0.2"))
        assert not child.admits(inner("10.9.0.6", "10.77.0.2"))
        assert not child.admits(inner("10.9.0.5", "10.78.0.2"))


def test_many_flows_do_not_fill_the_memory(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1))
    for number in range(20_000):
        destination = f"10.77.{number // 250}.{number % 250}"
        assert child.admits(inner("10.9.0.5", destination))
        assert associations.outbound(inner(destination, "10.9.0.5")) is child
    assert len(child.admitted) <= 256
    assert len(associations.flows) <= 8192


def test_a_half_that_is_there_already_is_not_keyed_anew(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1))
    child.sequence = 17
    seal = child.seal
    again = install(associations, numbered(1))
    assert again is child
    assert (child.seal, child.sequence) == (seal, 17)
    assert child.peer.outbound == [child]


def test_a_new_path_is_the_path_of_the_peer(associations: SecurityAssociations) -> None:
    old, new = install(associations, numbered(1)), install(associations, numbered(2))
    moved = Path(GATEWAY, Address("203.0.113.9", 1024), nat_t=True)
    associations.update_path(UpdatePath((old.inbound_spi, 0xDEAD), moved))
    assert new.peer.path == moved


def test_a_virtual_ip_that_is_taken_over_and_given_up_goes_back(associations: SecurityAssociations) -> None:
    first = install(associations, numbered(1, peer_id=1))
    second = install(associations, numbered(2, peer_id=2))
    assert associations.outbound(TO_CLIENT) is second
    associations.remove(Remove((second.inbound_spi,)))
    assert associations.outbound(TO_CLIENT) is first
    third = install(associations, numbered(3, peer_id=3))
    associations.remove(Remove((first.inbound_spi,)))
    assert associations.outbound(TO_CLIENT) is third


def test_seconds_are_reported_softly_then_hard(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1, lifetime_seconds=100), now=1000.0)
    assert associations.expire(1000.0 + 100 * SOFT_SHARE - 0.1) == []
    assert associations.expire(1000.0 + 100 * SOFT_SHARE) == [Expired(child.inbound_spi, hard=False)]
    assert associations.outbound(TO_CLIENT) is child
    assert associations.expire(1099.9) == []
    assert associations.expire(1100.0) == [Expired(child.inbound_spi, hard=True)]
    assert associations.outbound(TO_CLIENT) is None
    assert associations.inbound == {}
    assert associations.expire(9999.0) == []


def test_deadlines_of_an_sa_that_is_gone_are_not_those_of_one_with_its_spi(associations: SecurityAssociations) -> None:
    install(associations, numbered(1, lifetime_seconds=100), now=0.0)
    associations.remove(Remove((0xC0000001,)))
    child = install(associations, numbered(1, lifetime_seconds=100), now=50.0)
    assert associations.expire(100.0) == []
    assert associations.expire(150.0) == [Expired(child.inbound_spi, hard=False), Expired(child.inbound_spi, hard=True)]


def test_kilobytes_are_reported_softly_then_hard(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1, lifetime_kilobytes=100))
    assert child.octet_alarm == int(102_400 * SOFT_SHARE)
    child.octets_in = child.octet_alarm
    assert associations.limit_reached(child) == Expired(child.inbound_spi, hard=False)
    assert child.octet_alarm == 102_400
    child.octets_in = 102_400
    assert associations.limit_reached(child) == Expired(child.inbound_spi, hard=True)
    assert associations.inbound == {}


def test_sequence_numbers_end_before_they_repeat(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1))
    child.sequence = child.sequence_alarm
    assert associations.limit_reached(child) == Expired(child.inbound_spi, hard=False)
    assert child.sequence_alarm == esp.LAST_SEQUENCE
    child.sequence = esp.LAST_SEQUENCE
    assert associations.limit_reached(child) == Expired(child.inbound_spi, hard=True)


def test_counters_say_how_long_nothing_came(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1))
    install(associations, numbered(2))
    assert [one.idle_seconds for one in associations.counters(associations.spis(), 5.0)] == [None, None]
    child.last_inbound = 3.0
    (counters,) = associations.counters((child.inbound_spi, 0xDEAD), 5.0)
    assert counters.idle_seconds == 2.0


def test_the_databases_show_each_half_and_what_its_selectors_let_pass(associations: SecurityAssociations) -> None:
    install(associations, numbered(1, local_networks=networks("10.77.0.0/24", "10.78.0.0/24")), now=100.0)
    install(associations, numbered(2, local_networks=networks("10.77.0.0/24", "10.78.0.0/24")), now=150.0)
    associations.install(Install(numbered(3, peer_id=8, lifetime_kilobytes=2), Installing.INBOUND), 160.0)
    held = Databases(*map(tuple, associations.databases(now=170.0)))
    assert [
        (entry.peer_id, entry.direction, entry.spi, entry.inbound_spi, entry.age_seconds) for entry in held.sad
    ] == [
        (7, Direction.IN, 0xC0000001, 0xC0000001, 70.0),
        (7, Direction.OUT, 0xD0000001, 0xC0000001, 70.0),
        (7, Direction.IN, 0xC0000002, 0xC0000002, 20.0),
        (7, Direction.OUT, 0xD0000002, 0xC0000002, 20.0),
        (8, Direction.IN, 0xC0000003, 0xC0000003, 10.0),
    ]
    inbound, outbound = held.sad[:2]
    assert (inbound.source, inbound.destination, inbound.algorithms) == (CLIENT, GATEWAY, "aes128gcm16")
    assert (outbound.source, outbound.destination, outbound.replay_window) == (GATEWAY, CLIENT, 0)
    assert (held.sad[0].lifetime_octets, held.sad[4].lifetime_octets) == (0, 2048)
    # Child SAs of one peer with the same selectors are under one policy.
    assert [
        (entry.direction, str(entry.source), str(entry.destination)) for entry in held.spd if entry.peer_id == 7
    ] == [
        (Direction.IN, "10.9.0.5/32", "10.77.0.0/24"),
        (Direction.OUT, "10.77.0.0/24", "10.9.0.5/32"),
        (Direction.IN, "10.9.0.5/32", "10.78.0.0/24"),
        (Direction.OUT, "10.78.0.0/24", "10.9.0.5/32"),
    ]
    assert {(entry.owner, entry.action) for entry in held.spd} == {(Owner.PEER, Action.PROTECT)}


def test_the_databases_say_what_was_carried(associations: SecurityAssociations) -> None:
    child = install(associations, numbered(1))
    child.sequence, child.packets_out, child.octets_out = 5, 4, 400
    child.window.accept(9)
    child.packets_in, child.octets_in, child.replays, child.integrity_failures, child.last_inbound = 3, 300, 2, 1, 40.0
    inbound, outbound = associations.databases(now=50.0).sad
    assert (inbound.sequence, inbound.packets, inbound.octets, inbound.idle_seconds) == (9, 3, 300, 10.0)
    assert (inbound.replays, inbound.integrity_failures) == (2, 1)
    assert (outbound.sequence, outbound.packets, outbound.octets, outbound.idle_seconds) == (5, 4, 400, None)
    assert (outbound.replays, outbound.integrity_failures) == (0, 0)
