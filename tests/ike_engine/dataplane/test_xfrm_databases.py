"""Dumps of this host's kernel; it need not have ESP for policies, nor for the SAs that await their keys."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane import xfrm_messages as xfrm
from ike_engine.dataplane.databases import Action, Direction, Owner, SpdEntry
from ike_engine.dataplane.netlink import Message, NetlinkSocket, Request
from ike_engine.dataplane.xfrm_databases import Ownership, sad_entries, spd_entries
from ike_engine.path import Address
from tests.ike_engine.dataplane.samples import SUITES, keys

if TYPE_CHECKING:
    from collections.abc import Callable

GATEWAY, CLIENT = Address("192.0.2.1", 4500), Address("198.51.100.7", 33333)
VIRTUAL_IP, EVERYTHING = IPv4Network("10.9.0.5"), IPv4Network("0.0.0.0/0")
REQID = xfrm.OUR_REQIDS[5]

ALLOCSPI = 0x16


def state(suite: EspSuite, **changed: object) -> xfrm.State:
    values: dict[str, object] = {
        "spi": 0xC0FFEE02,
        "source": CLIENT,
        "destination": GATEWAY,
        "reqid": REQID,
        "suite": suite,
        "keys": keys(suite, 3),
        "encapsulated": True,
        "lifetime": xfrm.Lifetime(soft_octets=921, hard_octets=1024, soft_seconds=3240, hard_seconds=3600),
        "selector": None,
    }
    return xfrm.State(**values | changed)  # type: ignore[arg-type]


def dumped(request: Request) -> Message:
    """As a kernel dumps an SA that was made by ``request``: the same struct and attributes."""
    return Message(xfrm.Kind.NEWSA, request.encode(0, 0)[16:])


OWNED = {(0xC0FFEE02, GATEWAY.ip): Ownership(Owner.PEER, 7, 0xC0FFEE02, Direction.IN)}


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_an_sa_is_read_and_its_algorithms_named_as_we_do(suite: EspSuite) -> None:
    (entry,) = sad_entries([dumped(state(suite).new())], time.time(), OWNED)
    assert (entry.owner, entry.peer_id, entry.inbound_spi) == (Owner.PEER, 7, 0xC0FFEE02)
    assert (entry.direction, entry.source, entry.destination) == (Direction.IN, CLIENT, GATEWAY)
    assert (entry.encapsulated, entry.algorithms, entry.reqid) == (True, str(suite), REQID)
    assert (entry.lifetime_seconds, entry.lifetime_octets, entry.replay_window) == (3600, 1024, xfrm.REPLAY_WINDOW)
    assert (entry.octets, entry.packets, entry.sequence, entry.idle_seconds) == (0, 0, 0, None)


def test_sequence_numbers_go_beyond_32_bits_and_an_sa_without_udp_has_no_ports() -> None:
    replay = xfrm.REPLAY_STATE.pack(0, 0, 5, 0, 1, 64)
    request = state(
        SUITES[0], encapsulated=False, carried_over=((xfrm.Number.REPLAY_ESN_VAL, replay),), lifetime=xfrm.Lifetime()
    ).new()
    (entry,) = sad_entries([dumped(request)], time.time(), {})
    assert (entry.sequence, entry.replay_window) == (1 << 32 | 5, 64)
    assert (entry.encapsulated, entry.source.port, entry.lifetime_octets) == (False, 0, 0)


def test_no_octet_of_a_key_gets_into_an_entry() -> None:
    suite = EspSuite(Cipher.AES_CBC_256, Integrity.HMAC_SHA2_512_256)
    (entry,) = sad_entries([dumped(state(suite).new())], time.time(), {})
    shown = repr(entry).encode()
    for key in (keys(suite, 3).encryption, keys(suite, 3).integrity):
        assert key[:4] not in shown
        assert bytes(key).hex()[:8] not in repr(entry)


def test_whose_an_sa_is_tells_its_reqid_when_the_data_plane_does_not_know_it() -> None:
    messages = [dumped(state(SUITES[0], reqid=reqid).new()) for reqid in (REQID, 5)]
    ours, others = sad_entries(messages, time.time(), {})
    assert (ours.owner, others.owner) == (Owner.NOBODY, Owner.OTHERS)
    assert ours.direction is others.direction is Direction.UNKNOWN


@pytest.mark.root
def test_the_kernel_s_own_sad_is_read(alone: Callable[[Callable[[], list[Owner]]], list[Owner]]) -> None:
    """SAs whose SPI is reserved and whose keys are awaited (RFC 2367 section 2.3.2: larval) need no ESP."""

    def look() -> list[Owner]:
        netlink = NetlinkSocket(socket.NETLINK_XFRM)
        for number, reqid in enumerate((REQID, 5)):
            info = state(SUITES[0], reqid=reqid, spi=0).new().body
            spis = struct.pack("=II", 0xC0000000 + number, 0xC0000000 + number)
            netlink.get(Request(ALLOCSPI, info + spis))
        entries = list(sad_entries(netlink.dump(xfrm.all_states()), time.time(), {}))
        netlink.close()
        assert {entry.spi for entry in entries} == {0xC0000000, 0xC0000001}
        assert {entry.destination.ip for entry in entries} == {GATEWAY.ip}
        assert all(entry.age_seconds < 60 for entry in entries)
        return sorted((entry.owner for entry in entries), key=lambda owner: owner.value)

    assert alone(look) == [Owner.NOBODY, Owner.OTHERS]


@pytest.mark.root
def test_the_kernel_s_own_spd_is_read(alone: Callable[[Callable[[], list[SpdEntry]]], list[SpdEntry]]) -> None:
    def look() -> list[SpdEntry]:
        netlink = NetlinkSocket(socket.NETLINK_XFRM)
        netlink.request(
            xfrm.PolicyEntry(
                direction=xfrm.Direction.OUT,
                source=EVERYTHING,
                destination=VIRTUAL_IP,
                reqid=REQID,
                outer=(GATEWAY.ip, CLIENT.ip),
            ).new(),
            xfrm.PolicyEntry(
                direction=xfrm.Direction.FORWARD,
                source=VIRTUAL_IP,
                destination=EVERYTHING,
                reqid=REQID + 1,
                outer=("0.0.0.0", GATEWAY.ip),
            ).new(),
        )
        for words in (
            "src 10.0.0.0/8 dst 11.0.0.0/8 dir in action block priority 3 if_id 9",
            "src 12.0.0.0/8 dst 13.0.0.0/8 dir out",
            "src 2001:db8::/32 dst 2001:db9::/32 dir out",
        ):
            subprocess.run(["ip", "xfrm", "policy", "add", *words.split()], check=True, timeout=60)
        entries = list(spd_entries(netlink.dump(xfrm.all_policies()), {REQID: 7}))
        netlink.close()
        return entries

    assert {entry.source: entry for entry in alone(look)} == {
        EVERYTHING: SpdEntry(
            *(Owner.PEER, 7, Direction.OUT, Action.PROTECT, EVERYTHING, VIRTUAL_IP),
            *(10_032, REQID, 0, GATEWAY.ip, CLIENT.ip),
        ),
        VIRTUAL_IP: SpdEntry(
            *(Owner.NOBODY, 0, Direction.FORWARD, Action.PROTECT, VIRTUAL_IP, EVERYTHING),
            *(10_032, REQID + 1, 0, "0.0.0.0", GATEWAY.ip),
        ),
        IPv4Network("10.0.0.0/8"): SpdEntry(
            *(Owner.OTHERS, 0, Direction.IN, Action.DISCARD, IPv4Network("10.0.0.0/8"), IPv4Network("11.0.0.0/8")),
            *(3, 0, 9, "0.0.0.0", "0.0.0.0"),
        ),
        IPv4Network("12.0.0.0/8"): SpdEntry(
            *(Owner.OTHERS, 0, Direction.OUT, Action.BYPASS, IPv4Network("12.0.0.0/8"), IPv4Network("13.0.0.0/8")),
            *(0, 0, 0, "0.0.0.0", "0.0.0.0"),
        ),
    }


@pytest.mark.root
def test_policies_of_an_interface_stand_beside_those_of_none(
    alone: Callable[[Callable[[], None]], None],
) -> None:
    """The kernel tells policies for the same packets apart by the interface that they are for."""

    def look() -> None:
        netlink = NetlinkSocket(socket.NETLINK_XFRM)
        through = xfrm.PolicyEntry(
            direction=xfrm.Direction.IN,
            source=VIRTUAL_IP,
            destination=EVERYTHING,
            reqid=REQID,
            outer=("0.0.0.0", GATEWAY.ip),
            interface_id=0x43000000,
        )
        in_clear = replace(through, discard=True, interface_id=0)

        def shown() -> set[tuple[Action, int]]:
            messages = netlink.dump(xfrm.all_policies())
            return {(entry.action, entry.interface_id) for entry in spd_entries(messages, {})}

        netlink.request(through.replace(), in_clear.replace())
        assert shown() == {(Action.PROTECT, 0x43000000), (Action.DISCARD, 0)}
        netlink.request(through.delete())
        assert shown() == {(Action.DISCARD, 0)}
        netlink.request(through.replace(), in_clear.delete())
        assert shown() == {(Action.PROTECT, 0x43000000)}
        swept = [xfrm.PolicyInfo.parse(message.body).delete() for message in netlink.dump(xfrm.all_policies())]
        netlink.request(*swept)
        assert shown() == set()
        netlink.close()

    alone(look)
