import hashlib

import pytest

from ike_engine.wire import vendor_ids
from tests.vectors.captured import MESSAGES

KNOWN = [value for name, value in vars(vendor_ids).items() if name.isupper() and isinstance(value, bytes)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("RFC 3947", vendor_ids.NAT_T_RFC_3947),
        *((f"draft-ietf-ipsec-nat-t-ike-{n:02}", getattr(vendor_ids, f"NAT_T_DRAFT_{n:02}")) for n in range(9)),
        ("draft-ietf-ipsec-nat-t-ike-02\n", vendor_ids.NAT_T_DRAFT_02_NEWLINE),
        ("draft-ietf-ipsec-nat-t-ike", vendor_ids.NAT_T_DRAFT_APPLE),
        ("draft-stenberg-ipsec-nat-traversal-01", vendor_ids.NAT_T_STENBERG_01),
        ("draft-stenberg-ipsec-nat-traversal-02", vendor_ids.NAT_T_STENBERG_02),
        ("strongSwan", vendor_ids.STRONGSWAN),
        ("ALTIGA NETWORKS", vendor_ids.CISCO_VPN_CLIENT),
        ("MS NT5 ISAKMPOAKLEY", vendor_ids.MICROSOFT),
        ("KAME/racoon", vendor_ids.KAME),
        ("IPSec-Tools", vendor_ids.IPSEC_TOOLS),
    ],
)
def test_a_vendor_id_is_the_md5_of_its_text(text: str, value: bytes) -> None:
    assert hashlib.md5(text.encode(), usedforsecurity=False).digest() == value


@pytest.mark.parametrize(
    ("text", "value", "octets"),
    [
        ("draft-ietf-ipsra-isakmp-xauth-06.txt", vendor_ids.XAUTH, 8),
        ("CISCO-UNITY", vendor_ids.CISCO_UNITY, 14),
        ("FRAGMENTATION", vendor_ids.FRAGMENTATION, 16),
        ("ALTIGA GATEWAY", vendor_ids.CISCO_VPN_CONCENTRATOR, 14),
    ],
)
def test_a_vendor_id_is_the_start_of_the_md5_of_its_text(text: str, value: bytes, octets: int) -> None:
    assert hashlib.md5(text.encode(), usedforsecurity=False).digest()[:octets] == value[:octets]


def test_every_vendor_id_has_a_name_of_its_own() -> None:
    assert len({vendor_ids.names(known) for known in KNOWN}) == len(KNOWN) == 27
    assert not any(vendor_ids.names(known) == known.hex() for known in KNOWN)


@pytest.mark.parametrize("known", KNOWN, ids=vendor_ids.names)
def test_a_vendor_id_matches_itself_alone_and_with_a_version_behind(known: bytes) -> None:
    assert [other for other in KNOWN if vendor_ids.matches(known, other)] == [known]
    assert vendor_ids.matches(known + b"\x00\x00\x00\x05", known)
    assert not vendor_ids.matches(known[:-5], known)
    assert not vendor_ids.matches(b"", known)


@pytest.mark.parametrize("known", [vendor_ids.CISCO_UNITY, vendor_ids.DPD], ids=["unity", "dpd"])
def test_versions_do_not_matter(known: bytes) -> None:
    assert vendor_ids.matches(known[:14] + b"\x07\x07", known)
    assert vendor_ids.matches(known[:14], known)
    assert not vendor_ids.matches(known[:13] + b"\x00\x01\x00", known)


def test_fragmentation_needs_no_capabilities() -> None:
    # quirk: libreswan, Windows: 16 octets; Cisco: 0xc0000000.
    assert vendor_ids.matches(vendor_ids.FRAGMENTATION[:16], vendor_ids.FRAGMENTATION)
    assert vendor_ids.matches(vendor_ids.FRAGMENTATION[:16] + b"\xc0\x00\x00\x00", vendor_ids.FRAGMENTATION)


def test_an_unknown_vendor_id_is_named_in_hexadecimal() -> None:
    assert vendor_ids.names(b"\x01\xab") == "01ab"
    assert vendor_ids.names(b"") == ""


def test_all_captured_vendor_ids_are_known() -> None:
    captured = {
        vendor_ids.names(bytes.fromhex(details)) for m in MESSAGES for kind, details in m.payloads if kind == "VID"
    }

    assert captured == {
        "XAUTH",
        "DPD (RFC 3706)",
        "Cisco Unity",
        "Cisco fragmentation",
        "NAT-T (RFC 3947)",
        "NAT-T draft 00",
        "NAT-T draft 01",
        "NAT-T draft 02",
        "NAT-T draft 02 (newline)",
        "NAT-T draft 03",
        "Cisco client (aggressive message 3)",
    }
