"""ID payloads of quick mode as networks, and what of a wish is allowed."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.errors import InvalidIdInformation
from ike_engine.identities import Identification, IdType
from ike_engine.traffic_selectors import identification_of, narrow, network_of

networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


def address(text: str) -> bytes:
    return IPv4Address(text).packed


@given(networks)
def test_a_network_travels_and_comes_back(network: IPv4Network) -> None:
    assert network_of(identification_of(network)) == network


def test_a_single_address_travels_as_one() -> None:
    assert identification_of(IPv4Network("10.77.0.2/32")) == Identification(IdType.IPV4_ADDR, address("10.77.0.2"))
    everything = identification_of(IPv4Network("0.0.0.0/0"))
    assert everything == Identification(IdType.IPV4_ADDR_SUBNET, bytes(8))


def test_a_range_that_is_a_network_is_one() -> None:
    whole = Identification(IdType.IPV4_ADDR_RANGE, address("10.1.0.0") + address("10.1.0.255"))
    assert network_of(whole) == IPv4Network("10.1.0.0/24")


def test_host_bits_beside_a_mask_do_not_matter() -> None:
    sloppy = Identification(IdType.IPV4_ADDR_SUBNET, address("10.1.0.7") + address("255.255.255.0"))
    assert network_of(sloppy) == IPv4Network("10.1.0.0/24")


@pytest.mark.parametrize(
    "identification",
    [
        Identification(IdType.IPV4_ADDR, b"\x0a"),
        Identification(IdType.IPV4_ADDR_SUBNET, bytes(4)),
        Identification(IdType.IPV4_ADDR_SUBNET, address("10.0.0.0") + address("255.0.255.0")),
        Identification(IdType.IPV4_ADDR_RANGE, address("10.0.0.1") + address("10.0.0.5")),
        Identification(IdType.IPV4_ADDR_RANGE, address("10.0.0.5") + address("10.0.0.1")),
        Identification(IdType.IPV6_ADDR, bytes(16)),
        Identification(IdType.FQDN, b"inside.example.test"),
        Identification(200, b""),
    ],
)
def test_what_names_no_network_is_refused(identification: Identification) -> None:
    with pytest.raises(InvalidIdInformation):
        network_of(identification)


@given(st.integers(0, 255), st.binary(max_size=20))
def test_any_octets_are_a_network_or_refused(kind: int, data: bytes) -> None:
    with contextlib.suppress(InvalidIdInformation):
        network_of(Identification(kind, data))


def test_a_wish_is_cut_to_what_is_allowed() -> None:
    allowed = (IPv4Network("10.1.0.0/16"), IPv4Network("192.168.7.0/24"))
    everything, part = IPv4Network("0.0.0.0/0"), IPv4Network("10.1.2.0/24")
    # quirk: vpnc 0.5.3, iOS, Cisco: whatever the split networks are, they ask for everything.
    assert narrow(everything, allowed) == allowed
    assert narrow(part, allowed) == (part,)
    assert narrow(IPv4Network("10.2.0.0/16"), allowed) == ()


@given(networks, st.lists(networks, max_size=4))
def test_no_more_than_what_is_asked_and_allowed(asked: IPv4Network, allowed: list[IPv4Network]) -> None:
    for network in narrow(asked, allowed):
        assert network.subnet_of(asked)
        assert any(network.subnet_of(each) for each in allowed)
    if any(asked.overlaps(each) for each in allowed):
        assert narrow(asked, allowed)
