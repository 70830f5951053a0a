from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.child_sa import ChildSa
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
from ike_engine.dataplane.order_messages import COUNTERS_PER_REPORT, SPIS_PER_ORDER, decode, decode_order, encode
from ike_engine.path import Address, Path
from ike_engine.secret import Secret
from tests.ike_engine.dataplane.samples import CLIENT, GATEWAY, SUITES, child_sa, keys

PATH = Path(GATEWAY, CLIENT, nat_t=True)

spis = st.integers(256, 0xFFFFFFFF)
spi_tuples = st.lists(spis, max_size=20).map(tuple)
ports = st.integers(0, 0xFFFF)
networks = st.lists(
    st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 32)).map(lambda drawn: IPv4Network(drawn, strict=False)),
    min_size=1,
    max_size=4,
).map(tuple)


@st.composite
def paths(draw: st.DrawFn) -> Path:
    version = draw(st.sampled_from((4, 6)))
    addresses = st.ip_addresses(v=version).map(str)
    # An IPv4-mapped IPv6 address is an IPv4 address here.
    addresses = addresses.filter(lambda text: not text.startswith("::ffff:"))
    return Path(Address(draw(addresses), draw(ports)), Address(draw(addresses), draw(ports)), nat_t=draw(st.booleans()))


@st.composite
def child_sas(draw: st.DrawFn) -> ChildSa:
    suite = draw(st.sampled_from(SUITES))
    return ChildSa(
        inbound_spi=draw(spis),
        outbound_spi=draw(spis),
        peer_id=draw(st.integers(0, 2**64 - 1)),
        suite=suite,
        inbound_keys=keys(suite, draw(st.integers(0, 255))),
        outbound_keys=keys(suite, draw(st.integers(0, 255))),
        path=draw(paths()),
        encapsulated=draw(st.booleans()),
        local_networks=draw(networks),
        remote_networks=draw(networks),
        lifetime_seconds=draw(st.integers(1, 2**32 - 1)),
        lifetime_kilobytes=draw(st.none() | st.integers(1, 2**64 - 1)),
    )


counts = st.integers(0, 2**64 - 1)
numbers = st.integers(0, 2**32 - 1)
child_counters = st.builds(
    ChildCounters, spis, counts, counts, counts, counts, counts, counts, st.none() | st.floats(0, 1e9)
)
halves = st.sampled_from((Installing.INBOUND, Installing.OUTBOUND, Installing.BOTH))
orders: st.SearchStrategy[Order] = st.one_of(
    st.builds(Install, child_sas(), halves),
    st.builds(Remove, spi_tuples),
    st.builds(UpdatePath, spi_tuples, paths()),
    st.builds(QueryCounters, spi_tuples, numbers),
    st.builds(QueryDatabases, numbers, numbers),
)
reports: st.SearchStrategy[Report] = st.one_of(
    st.builds(InstallFailed, spis, st.text(max_size=200)),
    st.builds(Expired, spis, st.booleans()),
    st.builds(PathObserved, spis, paths()),
    st.builds(Counters, st.lists(child_counters, max_size=5).map(tuple), numbers, st.booleans()),
)


@given(orders | reports)
def test_what_is_encoded_is_decoded(message: Order | Report) -> None:
    assert decode(encode(message)) == message


def test_keys_arrive_as_secrets() -> None:
    order = decode(encode(Install(child_sa(), Installing.BOTH)))
    assert isinstance(order, Install)
    assert isinstance(order.child.inbound_keys.encryption, Secret)
    assert "<20 octets>" in repr(order)


@given(st.binary(max_size=300))
def test_rubbish_raises_value_error_and_nothing_else(rubbish: bytes) -> None:
    try:
        message = decode(rubbish)
    except ValueError:
        return
    assert encode(message)


@given(orders, st.data())
def test_a_changed_order_is_an_order_or_a_value_error(order: Order, data: st.DataObject) -> None:
    octets = bytearray(encode(order))
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    try:
        assert decode(bytes(octets)) != order
    except ValueError:
        return


@given(orders | reports, st.integers(1, 40))
def test_what_is_too_short_or_too_long_is_refused(message: Order | Report, octets: int) -> None:
    datagram = encode(message)
    if not isinstance(message, InstallFailed):  # its text may have any length
        with pytest.raises(ValueError, match=r"octets|SPI|Child SA|buffer"):
            decode(datagram + bytes(1))
        if not (isinstance(message, Counters) and octets % 60 == 0):
            with pytest.raises(ValueError, match=r"octets|SPI|Child SA|buffer"):
                decode(datagram[:-octets])


def _changed(message: Order, offset: int, octets: bytes) -> bytes:
    datagram = bytearray(encode(message))
    datagram[offset : offset + len(octets)] = octets
    return bytes(datagram)


INSTALL = Install(child_sa(), Installing.BOTH)


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (b"", "0 octets"),
        (bytes(65537), "65537 octets"),
        (b"\x63", "unknown kind 99"),
        (_changed(INSTALL, 1, b"\x00"), "halves 0"),
        (_changed(INSTALL, 1, b"\x04"), "halves 4"),
        (_changed(INSTALL, 2, (255).to_bytes(4, "big")), "SPI 255 is reserved"),
        (_changed(INSTALL, 6, bytes(4)), "SPI 0 is reserved"),
        (_changed(INSTALL, 18, b"\x06"), "unknown algorithms 6, 0"),
        (_changed(INSTALL, 18, b"\x05"), "octets where"),
        (_changed(INSTALL, 19, b"\x01"), "an AEAD cipher stands alone"),
        (_changed(INSTALL, 20, b"\x02"), "2 where 0 or 1 belongs"),
        (_changed(INSTALL, 21, bytes(4)), "0 seconds"),
        (_changed(INSTALL, 33, bytes(2)), "without networks"),
        (_changed(INSTALL, 37, bytes(16)), "two address families"),
        (_changed(INSTALL, 74, b"\x0a\x00\x00\x01\x18"), "host bits set"),
        (_changed(INSTALL, 74, b"\x00\x00\x00\x00\x21"), "33"),
        (_changed(Remove((300,)), 1, b"\xff\xff"), "65535 SPIs"),
        (encode(Remove((300,)))[:-4] + bytes(4), "SPI 0 is reserved"),
    ],
)
def test_what_is_not_valid_is_refused_in_words(datagram: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(datagram)


def test_a_report_is_not_an_order() -> None:
    with pytest.raises(ValueError, match="Expired is not an order"):
        decode_order(encode(Expired(300, hard=True)))


def test_lists_that_fill_a_datagram_fit_and_longer_ones_are_refused() -> None:
    most = Remove(tuple(range(1000, 1000 + SPIS_PER_ORDER)))
    assert decode(encode(most)) == most
    with pytest.raises(ValueError, match="8193 Child SAs"):
        encode(QueryCounters((*most.inbound_spis, 999)))
    child = ChildCounters(300, 1, 2, 3, 4, 5, 6, None)
    full = Counters((child,) * COUNTERS_PER_REPORT)
    assert decode(encode(full)) == full
    with pytest.raises(ValueError, match="513 Child SAs"):
        encode(Counters((*full.children, child)))
