"""Vendor IKE fragmentation: what others cut, what we cut, and what we will not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.errors import Malformed
from ike_engine.events import PeerConnected
from ike_engine.ikev1.fragmentation import LAST_NUMBER, OVERHEAD, Reassemblies, Reassembly, split
from ike_engine.ikev1.numbers import ExchangeType, PayloadType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Fragment
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication, Limits, Phase1Mode
from ike_engine.wire import vendor_ids
from ike_engine.wire.chain import encode_chain, parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Flags, Header, encode_message
from tests.ike_engine.lab import authority, identity, pair
from tests.ike_engine.network import CLIENT, GATEWAY, Weather, path
from tests.vectors.captured import MESSAGES

if TYPE_CHECKING:
    from tests.ike_engine.network import Station


def message_of(octets: int) -> bytes:
    """A message of so many octets in all."""
    header = Header(
        initiator_spi=b"initiato",
        responder_spi=b"responde",
        next_payload=PayloadType.IDENTIFICATION,
        exchange_type=ExchangeType.IDENTITY_PROTECTION,
        flags=Flags.ENCRYPTION,
        message_id=0,
    )
    return encode_message(header, bytes(number % 251 for number in range(octets - HEADER_OCTETS)))


def fragment_of(datagram: bytes) -> Fragment:
    header = Header.parse(datagram)
    assert header.next_payload == PayloadType.FRAGMENT
    (found,), _ = parse_chain(header.next_payload, datagram[HEADER_OCTETS : header.length], IKEV1_PAYLOADS)
    assert isinstance(found, Fragment)
    return found


def piece(number: int, data: bytes = b"data", *, last: bool = False) -> Fragment:
    return Fragment(fragment_number=number, flags=int(last), data=data)


# ---- cutting --------------------------------------------------------------------------------------


def test_what_fits_is_not_cut() -> None:
    message = message_of(576 - 20 - 8 - 4)
    assert split(message, 576) == [message]
    assert len(split(message_of(576 - 20 - 8 - 4 + 1), 576)) == 2


@given(octets=st.integers(HEADER_OCTETS + 1, 12_000), limit=st.integers(0, 1500), shuffled=st.randoms())
def test_what_is_cut_can_be_put_together_in_any_order(octets: int, limit: int, shuffled: object) -> None:
    message = message_of(octets)
    pieces = split(message, limit)
    assert len(pieces) <= LAST_NUMBER  # libreswan refuses higher numbers
    if len(pieces) == 1:
        assert pieces == [message]
        return
    assert all(len(each) - HEADER_OCTETS - 8 <= max(limit - OVERHEAD, -(-octets // LAST_NUMBER)) for each in pieces)
    shuffled.shuffle(pieces)  # type: ignore[attr-defined]
    reassembly = Reassembly(0.0)
    wholes = [reassembly.add(fragment_of(each), 65_535) for each in pieces]
    assert wholes[:-1] == [None] * (len(pieces) - 1)
    assert wholes[-1] == message


def test_the_outer_header_is_clear_and_has_the_cookies() -> None:
    for datagram in split(message_of(2000), 576):
        header = Header.parse(datagram)
        assert (header.initiator_spi, header.responder_spi) == (b"initiato", b"responde")
        assert not header.flags & Flags.ENCRYPTION
        assert len(datagram) + 20 + 8 + 4 <= 576


# ---- what racoon cut (captured) -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nat-aggressive", "nat-main-strongswan-gw"])
def test_captured_fragments_make_the_captured_message(name: str) -> None:
    captured = [message for message in MESSAGES if message.name.startswith(name)]
    fragments = [message.datagram for message in captured if message.datagram[16] == PayloadType.FRAGMENT]
    whole = captured[captured.index(next(m for m in captured if m.datagram == fragments[-1])) + 1]
    reassembly = Reassembly(0.0)
    assert [reassembly.add(fragment_of(each), 65_535) for each in fragments][-1] == whole.datagram


# ---- putting together -------------------------------------------------------------------------------------


def test_a_duplicate_is_dropped_and_the_old_one_kept() -> None:
    reassembly = Reassembly(0.0)
    assert reassembly.add(piece(1, b"first"), 100) is None
    assert reassembly.add(piece(1, b"other"), 100) is None
    assert reassembly.add(piece(2, b" last", last=True), 100) == b"first last"


def test_a_last_fragment_may_come_first_and_twice() -> None:
    reassembly = Reassembly(0.0)
    assert reassembly.add(piece(2, b" last", last=True), 100) is None
    assert reassembly.add(piece(2, b" last", last=True), 100) is None
    assert reassembly.add(piece(1, b"first"), 100) == b"first last"


@pytest.mark.parametrize(
    ("before", "then"),
    [
        (piece(2, last=True), piece(3)),
        (piece(2, last=True), piece(3, last=True)),
        (piece(3, last=True), piece(2, last=True)),
        (piece(3), piece(2, last=True)),
    ],
)
def test_what_contradicts_is_refused(before: Fragment, then: Fragment) -> None:
    reassembly = Reassembly(0.0)
    reassembly.add(before, 100)
    with pytest.raises(Malformed):
        reassembly.add(then, 100)


def test_more_octets_than_the_limit_are_refused() -> None:
    reassembly = Reassembly(0.0)
    reassembly.add(piece(1, bytes(60)), 100)
    with pytest.raises(Malformed, match="more than 100"):
        reassembly.add(piece(2, bytes(60)), 100)
    assert reassembly.octets == 60


# ---- what is held ---------------------------------------------------------------------------------------------


def key_of(number: int, source: str = CLIENT) -> tuple[bytes, bytes, Path, int]:
    return number.to_bytes(8, "big"), bytes(8), Path(Address(GATEWAY, 500), Address(source, 500), nat_t=False), 1


LIMITS = Limits(reassemblies=8, reassemblies_per_source=3, reassembly_seconds=10.0)


def test_a_source_may_begin_only_so_many() -> None:
    held = Reassemblies()
    for number in range(3):
        held.add(key_of(number), CLIENT, piece(1), 0.0, LIMITS, known=False)
    with pytest.raises(Malformed, match="too many"):
        held.add(key_of(3), CLIENT, piece(1), 0.0, LIMITS, known=True)
    held.add(key_of(3), GATEWAY, piece(1), 0.0, LIMITS, known=False)


def test_strangers_get_half_of_the_room() -> None:
    held = Reassemblies()
    for number in range(4):
        held.add(key_of(number), f"stranger {number}", piece(1), 0.0, LIMITS, known=False)
    with pytest.raises(Malformed, match="too many"):
        held.add(key_of(4), "stranger 4", piece(1), 0.0, LIMITS, known=False)
    held.add(key_of(4), "peer", piece(1), 0.0, LIMITS, known=True)
    held.add(key_of(1), "stranger 1", piece(2), 0.0, LIMITS, known=False)  # what is begun may go on


def test_what_is_done_or_too_old_makes_room() -> None:
    held = Reassemblies()
    for number in range(3):
        held.add(key_of(number), CLIENT, piece(1), float(number), LIMITS, known=False)
    assert held.add(key_of(1), CLIENT, piece(2, last=True), 2.0, LIMITS, known=False) == b"datadata"
    assert len(held) == 2
    held.add(key_of(3), CLIENT, piece(1), 2.0, LIMITS, known=False)
    held.add(key_of(4), CLIENT, piece(1), 10.5, LIMITS, known=False)  # number 0 has timed out
    assert len(held) == 3
    assert held.add(key_of(0), GATEWAY, piece(2, last=True), 10.5, LIMITS, known=False) is None


def test_one_who_sends_first_fragments_only_stops_nobody_else() -> None:
    lab = pair(method=Authentication.XAUTH_RSA)  # its message 5 is long
    for number in range(1, 3000):
        header = Header(
            initiator_spi=number.to_bytes(8, "big"),
            responder_spi=bytes(8),
            next_payload=PayloadType.FRAGMENT,
            exchange_type=ExchangeType.AGGRESSIVE,
            flags=0,
            message_id=0,
        )
        datagram = encode_message(header, encode_chain((piece(1),))[1])
        source = Address(f"203.0.{113 + number % 7}.{number % 200}", 500)
        lab.network.deliver(lab.gateway, datagram, Path(Address(GATEWAY, 500), source, nat_t=False))
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)


# ---- on the way ----------------------------------------------------------------------------------------------------


def fragments_sent(station: Station) -> int:
    return sum(data[16] == PayloadType.FRAGMENT for data in station.sent)


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_network_that_carries_600_octets_carries_a_certificate(mode: Phase1Mode) -> None:
    lab = pair(method=Authentication.XAUTH_RSA, mode=mode, weather=Weather(duplication=0.5, jitter=0.5), seed=3)
    lab.network.hook = lambda _, data, way: None if len(data) + 28 + 4 * way.nat_t > 600 else (data, way)
    lab.connect(seconds=60)
    assert lab.gateway.one(PeerConnected)
    assert fragments_sent(lab.gateway)
    assert fragments_sent(lab.client)


def test_a_chain_with_an_intermediate_goes_in_fragments() -> None:
    own = identity("vpn.example.test")
    lab = pair(
        gateway={
            "identity": type(own)(
                identification=own.identification,
                certificates=(*own.certificates, authority()),
                private_key=own.private_key,
            )
        }
    )
    lab.connect(seconds=5)
    assert lab.client.one(PeerConnected)
    assert fragments_sent(lab.gateway) >= 3


def test_who_did_not_announce_it_gets_whole_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    # quirk: vpnc 0.5.3 knows no fragmentation: payload 132 makes it give up.
    monkeypatch.setattr(
        "ike_engine.ikev1.phase_1.offered_vendor_ids",
        lambda: (),
    )
    monkeypatch.setattr("ike_engine.ikev1.main_mode.offered_vendor_ids", lambda: ())
    lab = pair()
    lab.connect(seconds=5)
    assert lab.client.one(PeerConnected)
    assert fragments_sent(lab.gateway) == 0
    assert fragments_sent(lab.client) == 0
    assert max(map(len, lab.gateway.sent)) > 576


def test_a_vendor_id_without_capabilities_is_enough() -> None:
    # quirk: libreswan 4.10 (and Windows) send 16 octets.
    assert vendor_ids.matches(vendor_ids.FRAGMENTATION[:16], vendor_ids.FRAGMENTATION)


def test_fragments_within_fragments_are_refused() -> None:
    lab = pair()
    inner = split(message_of(2000), 576)[0]
    outer = split(inner, 100)
    for datagram in outer:
        lab.network.deliver(lab.gateway, datagram, Path(*reversed(path()[:2]), nat_t=False))
    assert lab.gateway.dropped == ["fragments within fragments"]
