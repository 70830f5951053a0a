from __future__ import annotations

import struct
import sys
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

import pytest

from ike_engine.child_sa import EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane import xfrm_messages as xfrm
from ike_engine.dataplane.netlink import NLM_F_ACK, Request
from ike_engine.path import Address
from ike_engine.secret import Secret
from tests.ike_engine.dataplane.samples import child_sa

REQID = 0x43000001
GATEWAY, CLIENT = Address("192.0.2.1", 4500), Address("198.51.100.7", 33333)
VIRTUAL_IP, EVERYTHING = IPv4Network("10.9.0.5"), IPv4Network("0.0.0.0/0")
GOLDEN = Path(__file__).parents[2] / "vectors" / "iproute2-xfrm.txt"

OUTBOUND = xfrm.State(
    spi=0xC0FFEE01,
    source=GATEWAY,
    destination=CLIENT,
    reqid=REQID,
    suite=EspSuite(Cipher.AES_GCM_128),
    keys=EspKeys(Secret(bytes(range(20))), Secret()),
    encapsulated=True,
    lifetime=xfrm.Lifetime(soft_seconds=3240, hard_seconds=3600),
    selector=(EVERYTHING, VIRTUAL_IP),
)
INBOUND = xfrm.State(
    spi=0xC0FFEE02,
    source=CLIENT,
    destination=GATEWAY,
    reqid=REQID,
    suite=EspSuite(Cipher.AES_CBC_128, Integrity.HMAC_SHA2_256_96),
    keys=EspKeys(Secret(bytes(range(16))), Secret(bytes(range(0x20, 0x40)))),
    encapsulated=True,
    lifetime=xfrm.Lifetime(soft_octets=921, hard_octets=1024, soft_seconds=3240, hard_seconds=3600),
    selector=(VIRTUAL_IP, IPv4Network("10.0.0.0/8")),
)


def _policy(direction: xfrm.Direction) -> xfrm.PolicyEntry:
    out = direction is xfrm.Direction.OUT
    return xfrm.PolicyEntry(
        direction=direction,
        source=EVERYTHING if out else VIRTUAL_IP,
        destination=VIRTUAL_IP if out else EVERYTHING,
        reqid=REQID,
        outer=(GATEWAY.ip, CLIENT.ip) if out else ("0.0.0.0", GATEWAY.ip),
    )


def _golden() -> dict[str, bytes]:
    """What iproute2 sends, by its command; sequence numbers set to 0."""
    lines = GOLDEN.read_text().splitlines()[1:]
    messages = {command[2:]: bytes.fromhex(octets) for command, octets in zip(lines[::2], lines[1::2], strict=True)}
    return {command: octets[:8] + bytes(4) + octets[12:] for command, octets in messages.items()}


@pytest.mark.parametrize(
    ("command", "request_"),
    [
        ("ip xfrm state add src 192.0.2.1", OUTBOUND.new()),
        ("ip xfrm state add src 198.51.100.7", INBOUND.new()),
        ("ip xfrm state delete", OUTBOUND.delete()),
        ("ip xfrm state get", OUTBOUND.get()),
        ("ip xfrm policy add src 0.0.0.0/0 dst 10.9.0.5/32 dir out", _policy(xfrm.Direction.OUT).new()),
        ("ip xfrm policy add src 10.9.0.5/32 dst 0.0.0.0/0 dir fwd", _policy(xfrm.Direction.FORWARD).new()),
        ("ip xfrm policy update src 10.9.0.5/32 dst 0.0.0.0/0 dir in", _policy(xfrm.Direction.IN).replace()),
        ("ip xfrm policy delete src 10.9.0.5/32 dst 0.0.0.0/0 dir fwd", _policy(xfrm.Direction.FORWARD).delete()),
        ("ip xfrm policy delete src 10.9.0.5/32 dst 0.0.0.0/0 dir in", _policy(xfrm.Direction.IN).delete()),
    ],
)
def test_messages_are_those_of_iproute2(command: str, request_: Request) -> None:
    (octets,) = [octets for sent, octets in _golden().items() if sent.startswith(command)]
    # iproute2 asks for no acknowledgement of what has an answer.
    flags = 0 if request_.kind == xfrm.Kind.GETSA else NLM_F_ACK
    assert request_.encode(flags, 0) == octets


@pytest.mark.parametrize(
    ("layout", "octets"),
    [
        (xfrm.SELECTOR, 56),
        (xfrm.SA_INFO, 224),
        (xfrm.SA_ID, 24),
        (xfrm.POLICY_INFO, 168),
        (xfrm.POLICY_ID, 64),
        (xfrm.TEMPLATE, 64),
        (xfrm.ENCAPSULATION, 24),
        (xfrm.REPLAY_STATE, 24),
        (xfrm.EXPIRE, 232),
        (xfrm.MAPPING, 64),
    ],
)
def test_structs_have_the_kernels_sizes(layout: struct.Struct, octets: int) -> None:
    assert layout.size == octets


def test_keys_are_in_no_repr() -> None:
    assert "<20 octets>" in repr(OUTBOUND)
    assert repr(bytes(OUTBOUND.keys.encryption)) not in repr(OUTBOUND)


def test_a_plain_esp_sa_has_no_encapsulation() -> None:
    numbers = [number for number, _ in replace(OUTBOUND, encapsulated=False).new().attributes]
    assert numbers == [18, 23]


def test_how_often_a_mapping_is_reported_is_said_to_the_kernel() -> None:
    attributes = dict(replace(INBOUND, mapping_events_seconds=1).new().attributes)
    assert attributes[32] == struct.pack("=I", 1)


def test_an_sa_of_an_interface_bears_its_number_also_when_it_is_updated() -> None:
    for request in (replace(OUTBOUND, interface_id=9).new(), replace(OUTBOUND, interface_id=9).update()):
        assert dict(request.attributes)[31] == struct.pack("=I", 9)


def test_a_state_is_read_back() -> None:
    request = INBOUND.new()
    encoded = request.encode(0, 0)[16:]
    info = xfrm.StateInfo.parse(encoded)
    assert (info.spi, info.destination, info.reqid) == (0xC0FFEE02, "192.0.2.1", REQID)
    assert (info.octets, info.packets, info.replays, info.integrity_failures, info.last_used) == (0, 0, 0, 0, None)
    deleted = xfrm.delete_state(info)
    assert (deleted.kind, deleted.body) == (xfrm.Kind.DELSA, INBOUND.delete().body)


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_when_an_sa_was_used_last_is_read_in_the_hosts_order(
    monkeypatch: pytest.MonkeyPatch, byteorder: Literal["little", "big"]
) -> None:
    monkeypatch.setattr(sys, "byteorder", byteorder)
    request = replace(INBOUND, carried_over=((xfrm.Number.LASTUSED, (1_790_000_000).to_bytes(8, byteorder)),)).new()
    assert xfrm.StateInfo.parse(request.encode(0, 0)[16:]).last_used == 1_790_000_000


def test_what_is_too_old_for_the_window_counts_with_what_came_before() -> None:
    fields = list(xfrm.SA_INFO.unpack_from(INBOUND.new().body))
    fields[xfrm.STATS_FIELD : xfrm.STATS_FIELD + 3] = (
        3,
        4,
        5,
    )  # struct xfrm_stats: replay_window, replay, integrity_failed
    info = xfrm.StateInfo.parse(xfrm.SA_INFO.pack(*fields))
    assert (info.replays, info.integrity_failures) == (7, 5)


@pytest.mark.parametrize("last_used", [None, 1_790_000_000])
def test_what_is_counted_is_what_the_whole_says(last_used: int | None) -> None:
    used = [] if last_used is None else [(xfrm.Number.LASTUSED, last_used.to_bytes(8, sys.byteorder))]
    request = replace(INBOUND, carried_over=((xfrm.Number.REPLAY_ESN_VAL, bytes(24)), *used), interface_id=7).new()
    fields = list(xfrm.SA_INFO.unpack_from(request.body))
    for place in (xfrm.OCTETS_FIELD, xfrm.OCTETS_FIELD + 1, *range(xfrm.STATS_FIELD, xfrm.STATS_FIELD + 3)):
        fields[place] = 1000 + place
    body = replace(request, body=xfrm.SA_INFO.pack(*fields)).encode(0, 0)[16:]
    info, counted = xfrm.StateInfo.parse(body), xfrm.StateCounters.parse(body)
    assert counted.last_used == last_used
    assert counted._asdict() == {name: getattr(info, name) for name in counted._fields}


def test_an_sa_continues_above_every_number_that_may_have_been_sent() -> None:
    encoded = OUTBOUND.new().encode(0, 0)[16:]
    info = xfrm.StateInfo.parse(encoded)
    bitmap = bytes(range(256))
    info.attributes[23] = xfrm.REPLAY_STATE.pack(64, 1000, 17, 0, 0, 2048) + bitmap
    (lifetime, replay) = info.continued(skip=500)
    assert lifetime == (9, bytes(32))
    assert replay == (23, xfrm.REPLAY_STATE.pack(64, 1500, 17, 0, 0, 2048) + bitmap)
    info.attributes[23] = xfrm.REPLAY_STATE.pack(64, 0xFFFFFFF0, 17, 0, 0, 2048) + bitmap
    assert xfrm.REPLAY_STATE.unpack_from(info.continued(skip=500)[1][1])[1] == 0xFFFFFFFF


def test_a_policy_is_read_back() -> None:
    policy = _policy(xfrm.Direction.FORWARD)
    info = xfrm.PolicyInfo.parse(policy.new().encode(0, 0)[16:])
    assert info.reqid == REQID
    assert info.delete() == policy.delete()


def test_narrower_networks_come_first() -> None:
    wide = _policy(xfrm.Direction.OUT)
    narrow = replace(wide, source=IPv4Network("10.77.0.0/24"))
    assert narrow.priority < wide.priority


def test_events_are_read() -> None:
    state = INBOUND.new().encode(0, 0)[16 : 16 + 224]
    event = xfrm.ExpireEvent.parse(state + b"\x01" + bytes(7))
    assert (event.state.spi, event.hard) == (0xC0FFEE02, True)
    moved = xfrm.MAPPING.pack(
        bytes(16),
        b"\xc0\xff\xee\x02",
        2,
        50,
        REQID,
        bytes(16),
        bytes([203, 0, 113, 9]) + bytes(12),
        b"\x11\x94",
        b"\x75\x30",
    )
    assert xfrm.MappingEvent.parse(moved) == xfrm.MappingEvent(0xC0FFEE02, REQID, Address("203.0.113.9", 30_000))


@pytest.mark.parametrize(
    ("kilobytes", "octets"), [(None, (xfrm.UNLIMITED, xfrm.UNLIMITED)), (1000, (921_600, 1_024_000))]
)
def test_lifetimes_have_soft_limits_below_the_hard(kilobytes: int | None, octets: tuple[int, int]) -> None:
    life = xfrm.lifetime(child_sa(lifetime_kilobytes=kilobytes), 0.9)
    assert (life.soft_octets, life.hard_octets) == octets
    assert (life.soft_seconds, life.hard_seconds) == (3240, 3600)
