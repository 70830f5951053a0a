from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Annotated

import pytest

from ike_engine.errors import Malformed
from ike_engine.wire.chain import Payload, UnknownPayload
from ike_engine.wire.codec import rest
from ike_engine.wire.shapes import Message


@dataclass(frozen=True, kw_only=True)
class Identity(Payload, number=5):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class Certificate(Payload, number=6):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class Hash(Payload, number=8):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class Signature(Payload, number=9):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class VendorId(Payload, number=13, anywhere=True):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class NatDetection(Payload, number=20):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class NatDetectionDraft(NatDetection, number=130):
    pass


@dataclass(frozen=True, kw_only=True)
class MainMode5(Message):
    """HDR*, IDii, [ CERT, ] ( HASH_I | SIG_I ), [ NAT-D, NAT-D ]"""

    identity: Identity
    certificates: tuple[Certificate, ...] = ()
    proof: Hash | Signature
    nat_detection: tuple[NatDetection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QuickMode1(Message):
    """HDR*, HASH(1), [ IDci, IDcr ]"""

    hash: Hash
    client: Identity | None = None
    gateway: Identity | None = None
    vendor_id: VendorId | None = None


IDENTITY, OTHER = Identity(data=b"alice"), Identity(data=b"0.0.0.0/0")
HASH, SIGNATURE = Hash(data=b"h"), Signature(data=b"s")
CERTIFICATES = (Certificate(data=b"leaf"), Certificate(data=b"intermediate"))
VENDOR_ID, UNKNOWN = VendorId(data=b"v"), UnknownPayload(number_=200, data=b"?")


def test_payloads_leave_in_the_order_of_the_fields() -> None:
    message = MainMode5(identity=IDENTITY, certificates=CERTIFICATES, proof=SIGNATURE, everywhere=(VENDOR_ID,))

    assert message.payloads() == (IDENTITY, *CERTIFICATES, SIGNATURE, VENDOR_ID)


def test_payloads_come_in_any_order() -> None:
    message = MainMode5(identity=IDENTITY, certificates=CERTIFICATES[:1], proof=HASH, everywhere=(VENDOR_ID,))

    for arrival in permutations(message.payloads()):
        assert MainMode5.match(arrival) == message


def test_what_may_be_missing_is_none_or_empty() -> None:
    assert MainMode5.match([HASH, IDENTITY]) == MainMode5(identity=IDENTITY, proof=HASH)
    assert QuickMode1.match([HASH]) == QuickMode1(hash=HASH)


def test_fields_of_one_kind_are_filled_in_their_order() -> None:
    message = QuickMode1.match([HASH, IDENTITY, OTHER])

    assert (message.client, message.gateway) == (IDENTITY, OTHER)


def test_payloads_of_several_keep_their_order() -> None:
    assert MainMode5.match([CERTIFICATES[1], HASH, CERTIFICATES[0], IDENTITY]).certificates == CERTIFICATES[::-1]


def test_a_draft_payload_takes_the_place_of_its_base() -> None:
    draft = NatDetectionDraft(data=b"d")

    assert MainMode5.match([IDENTITY, HASH, draft]).nat_detection == (draft,)


def test_some_payloads_ride_everywhere() -> None:
    message = MainMode5.match([VENDOR_ID, IDENTITY, UNKNOWN, HASH, VENDOR_ID])

    assert message.everywhere == (VENDOR_ID, UNKNOWN, VENDOR_ID)
    assert message.riding(VendorId) == (VENDOR_ID, VENDOR_ID)
    assert message.riding(Certificate) == ()


def test_a_field_comes_before_everywhere() -> None:
    message = QuickMode1.match([VENDOR_ID, HASH, VendorId(data=b"second")])

    assert (message.vendor_id, message.everywhere) == (VENDOR_ID, (VendorId(data=b"second"),))


@pytest.mark.parametrize(
    ("payloads", "why"),
    [
        ([], "Identity is missing"),
        ([HASH], "Identity is missing"),
        ([IDENTITY], "Hash or Signature is missing"),
        ([IDENTITY, OTHER, HASH], "no place for this Identity"),
        ([IDENTITY, HASH, SIGNATURE], "no place for this Signature"),
        ([IDENTITY, HASH, HASH], "no place for this Hash"),
    ],
)
def test_what_breaks_the_rule_is_malformed(payloads: list[Payload], why: str) -> None:
    with pytest.raises(Malformed, match=f"MainMode5: {why}"):
        MainMode5.match(payloads)


def test_a_payload_without_a_place_is_malformed() -> None:
    with pytest.raises(Malformed, match="QuickMode1: no place for this Certificate"):
        QuickMode1.match([HASH, CERTIFICATES[0]])


def test_a_rule_is_about_payloads() -> None:
    with pytest.raises(TypeError, match="age: <class 'int'> is no rule about payloads"):

        class Wrong(Message):
            age: int
