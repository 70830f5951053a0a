"""Identities: their octets, and what an administrator reads."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.identities import Identification, IdType

SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc."),
        x509.NameAttribute(NameOID.COMMON_NAME, "vpn.example.test"),
    ]
)

ODD_NAME = bytes.fromhex("300d310b3009060355040303020061")
"""A common name that is a BIT STRING."""


@pytest.mark.parametrize(
    ("identification", "text"),
    [
        (Identification(IdType.IPV4_ADDR, bytes((192, 0, 2, 1))), "192.0.2.1"),
        (Identification(IdType.IPV6_ADDR, bytes(15) + b"\1"), "::1"),
        (Identification(IdType.IPV4_ADDR_SUBNET, bytes((10, 1, 0, 0, 255, 255, 0, 0))), "10.1.0.0/16"),
        (Identification.fqdn("vpn.example.test"), "vpn.example.test"),
        (Identification.user_fqdn("alice@example.test"), "alice@example.test"),
        (Identification.key_id("vpngroup"), "vpngroup"),
        (Identification.distinguished_name(SUBJECT), r"CN=vpn.example.test,O=Example\, Inc.,C=FR"),
        # quirk: strongSwan 5.9.8: a plain user name travels as a host name.
        (Identification(IdType.FQDN, b"alice"), "alice"),
    ],
)
def test_an_identity_reads_as_its_owner_would_write_it(identification: Identification, text: str) -> None:
    assert str(identification) == text


@pytest.mark.parametrize(
    "identification",
    [
        Identification(IdType.IPV4_ADDR, b"\xc0\x00\x02"),
        Identification(IdType.IPV4_ADDR_SUBNET, bytes((10, 0, 0, 0, 255, 0, 255, 0))),
        Identification(IdType.DER_ASN1_DN, b"no name"),
        Identification(IdType.KEY_ID, b"group\n\x1b[2J"),
        Identification.distinguished_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vpn\n2026-11-26 all is well\x1b[2J")])
        ),
        Identification(IdType.DER_ASN1_DN, ODD_NAME),
    ],
)
def test_what_cannot_be_read_is_shown_in_hex(identification: Identification) -> None:
    assert str(identification) == identification.data.hex()


@given(st.integers(0, 255), st.binary(max_size=64))
def test_no_octets_of_a_peer_break_a_log_line(kind: int, data: bytes) -> None:
    assert str(Identification(kind, data)).isprintable()


def test_the_type_is_part_of_an_identity() -> None:
    assert Identification.fqdn("staff") != Identification.key_id("staff")
    assert Identification.key_id("staff") == Identification(11, b"staff")
