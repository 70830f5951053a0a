from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.dataplane.databases import (
    ENTRIES_PER_PART,
    Action,
    Databases,
    DatabasesPart,
    Direction,
    Owner,
    SadEntry,
    SpdEntry,
)
from ike_engine.dataplane.order_messages import MAXIMUM_OCTETS, decode, encode
from ike_engine.path import Address
from tests.ike_engine.dataplane.samples import sad_entry, spd_entry

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
ips = st.ip_addresses(v=4).map(str)
addresses = st.builds(Address, ips, st.integers(0, 0xFFFF))
seconds = st.floats(0, 1e9)
networks = st.tuples(u32, st.integers(0, 32)).map(lambda drawn: IPv4Network(drawn, strict=False))
sad_entries = st.builds(
    SadEntry,
    owner=st.sampled_from(Owner),
    peer_id=u64,
    direction=st.sampled_from(Direction),
    spi=u32,
    inbound_spi=u32,
    source=addresses,
    destination=addresses,
    encapsulated=st.booleans(),
    algorithms=st.text("abcdefghij-()/0123456789", max_size=64),
    reqid=u32,
    interface_id=u32,
    sequence=u64,
    replay_window=u32,
    octets=u64,
    packets=u64,
    integrity_failures=u64,
    replays=u64,
    age_seconds=seconds,
    idle_seconds=st.none() | seconds,
    lifetime_seconds=u64,
    lifetime_octets=u64,
)
spd_entries = st.builds(
    SpdEntry,
    owner=st.sampled_from(Owner),
    peer_id=u64,
    direction=st.sampled_from(Direction),
    action=st.sampled_from(Action),
    source=networks,
    destination=networks,
    priority=u32,
    reqid=u32,
    interface_id=u32,
    tunnel_source=ips,
    tunnel_destination=ips,
)
parts = st.builds(
    DatabasesPart,
    u32,
    st.booleans(),
    st.builds(Databases, st.lists(sad_entries, max_size=3).map(tuple), st.lists(spd_entries, max_size=3).map(tuple)),
)


@given(parts)
def test_what_is_encoded_is_decoded(part: DatabasesPart) -> None:
    assert decode(encode(part)) == part


@given(parts, st.integers(1, 64))
def test_what_is_too_short_or_too_long_is_refused(part: DatabasesPart, octets: int) -> None:
    datagram = encode(part)
    for wrong in (datagram + bytes(1), datagram[:-octets]):
        with pytest.raises(ValueError, match=r"octets|buffer"):
            decode(wrong)


@given(parts, st.data())
def test_a_changed_part_is_a_part_or_a_value_error(part: DatabasesPart, data: st.DataObject) -> None:
    octets = bytearray(encode(part))
    place = data.draw(st.integers(1, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    try:
        decode(bytes(octets))
    except ValueError:
        return


def test_a_full_part_fits_a_datagram_and_a_fuller_one_is_refused() -> None:
    full = Databases((sad_entry(),) * ENTRIES_PER_PART, (spd_entry(),) * ENTRIES_PER_PART)
    datagram = encode(DatabasesPart(1, last=False, held=full))
    assert len(datagram) <= MAXIMUM_OCTETS
    assert decode(datagram) == DatabasesPart(1, last=False, held=full)
    with pytest.raises(ValueError, match=f"{ENTRIES_PER_PART + 1} and 0 entries"):
        encode(DatabasesPart(1, last=False, held=Databases((sad_entry(),) * (ENTRIES_PER_PART + 1))))


def test_names_of_algorithms_that_no_entry_holds_are_cut() -> None:
    part = DatabasesPart(1, last=True, held=Databases((replace(sad_entry(), algorithms="x" * 100),)))
    decoded = decode(encode(part))
    assert isinstance(decoded, DatabasesPart)
    assert decoded.held.sad[0].algorithms == "x" * 64


def test_no_field_of_an_entry_is_for_keys() -> None:
    """What has no place for a key cannot let one out of the keeper."""
    for entry in (SadEntry, SpdEntry):
        assert not {field.name for field in fields(entry) if "key" in field.name or "Secret" in str(field.type)}
