from dataclasses import dataclass, replace
from typing import Annotated

import pytest

from ike_engine.errors import Malformed
from ike_engine.wire.chain import MOST_PAYLOADS, Payload, Substructures, UnknownPayload, encode_chain, parse_chain
from ike_engine.wire.codec import Declared, rest, u8


@dataclass(frozen=True, kw_only=True)
class Blob(Payload, number=10):
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class DraftBlob(Blob, number=130):
    pass


@dataclass(frozen=True, kw_only=True)
class Item(Declared):
    kind: Annotated[int, u8]
    data: Annotated[bytes, rest] = b""


@dataclass(frozen=True, kw_only=True)
class Items(Payload, number=20, anywhere=True):
    count: Annotated[int, u8] = 0
    items: Annotated[tuple[Item, ...], Substructures(Item, more=3, most=4, remember=8)]


REGISTRY: dict[int, type[Payload]] = {10: Blob, 130: DraftBlob, 20: Items}
THREE = (Blob(data=b"one"), Items(items=(Item(kind=1), Item(kind=2, data=b"x"))), Blob(data=b""))
THREE_OCTETS = (
    b"\x14\x00\x00\x07one"
    b"\x0a\x00\x00\x10\x00" b"\x03\x00\x00\x05\x01" b"\x00\x00\x00\x06\x02x"
    b"\x00\x00\x00\x04"
)  # fmt: skip


def test_each_payload_announces_the_next() -> None:
    assert encode_chain(THREE) == (10, THREE_OCTETS)
    assert parse_chain(10, THREE_OCTETS, REGISTRY) == (THREE, len(THREE_OCTETS))


def test_padding_may_follow() -> None:
    assert parse_chain(10, THREE_OCTETS + b"\x09" * 9, REGISTRY) == (THREE, len(THREE_OCTETS))


def test_no_payloads() -> None:
    assert encode_chain(()) == (0, b"")
    assert parse_chain(0, b"padding", REGISTRY) == ((), 0)


def test_the_reserved_octet_is_ignored() -> None:
    assert parse_chain(10, b"\x00\xff\x00\x07one", REGISTRY)[0] == (Blob(data=b"one"),)


def test_octets_as_received_are_kept_beside_the_values() -> None:
    (blob, items, empty), _ = parse_chain(10, THREE_OCTETS, REGISTRY)

    assert (blob.octets, items.octets, empty.octets) == (b"one", THREE_OCTETS[11:23], b"")
    assert (blob.body, items.body, empty.body) == (b"one", THREE_OCTETS[11:23], b"")
    assert "octets" not in repr(blob)


def test_the_body_of_what_we_built_is_what_we_send() -> None:
    assert THREE[1].octets == b""
    assert THREE[1].body == THREE_OCTETS[11:23]


def test_a_received_payload_travels_on_as_it_came() -> None:
    octets = b"\x00\x00\x00\x0a\x07\x00\xff\x00\x05\x01"
    payloads, _ = parse_chain(20, octets, REGISTRY)

    assert encode_chain(payloads) == (20, octets)
    assert encode_chain([replace(payloads[0])]) == (20, octets.replace(b"\xff", b"\x00"))


def test_a_changed_copy_does_not_keep_the_octets_of_its_original() -> None:
    parsed = Blob.parse(b"one")

    assert replace(parsed, data=b"two").body == b"two"


@pytest.mark.parametrize("octets_left", range(len(THREE_OCTETS)))
def test_every_truncation_is_malformed(octets_left: int) -> None:
    with pytest.raises(Malformed):
        parse_chain(10, THREE_OCTETS[:octets_left], REGISTRY)


@pytest.mark.parametrize("length", [0, 3, 8, 0xFFFF])
def test_a_length_that_cannot_be_is_malformed(length: int) -> None:
    with pytest.raises(Malformed, match=f"payload 10 of {length} octets, 7 are left"):
        parse_chain(10, b"\x00\x00" + length.to_bytes(2, "big") + b"one", REGISTRY)


def test_an_unknown_payload_is_kept() -> None:
    payloads, _ = parse_chain(200, b"\x0a\x00\x00\x07???\x00\x00\x00\x05!", REGISTRY)

    assert payloads == (UnknownPayload(number_=200, data=b"???"), Blob(data=b"!"))
    assert payloads[0].octets == payloads[0].body == b"???"
    assert encode_chain(payloads) == (200, b"\x0a\x00\x00\x07???\x00\x00\x00\x05!")


def test_a_draft_payload_travels_by_its_own_number() -> None:
    assert encode_chain([DraftBlob(data=b"")])[0] == 130
    assert parse_chain(130, b"\x00\x00\x00\x04", REGISTRY)[0] == (DraftBlob(data=b""),)
    assert DraftBlob(data=b"") != Blob(data=b"")


def test_more_payloads_than_anyone_sends_are_malformed() -> None:
    most = encode_chain([Blob(data=b"")] * MOST_PAYLOADS)
    too_many = encode_chain([Blob(data=b"")] * (MOST_PAYLOADS + 1))

    assert len(parse_chain(*most, REGISTRY)[0]) == MOST_PAYLOADS
    with pytest.raises(Malformed, match="more than 255 payloads"):
        parse_chain(*too_many, REGISTRY)


def test_a_payload_too_long_for_its_header_is_our_error() -> None:
    assert len(encode_chain([Blob(data=bytes(0xFFFB))])[1]) == 0xFFFF
    with pytest.raises(ValueError, match="a payload of 65536 octets"):
        encode_chain([Blob(data=bytes(0xFFFC))])


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        (b"", "Item 1: no end to the chain"),
        (b"\x03\x00\x00\x05\x01", "Item 2: no end to the chain"),
        (b"\x02\x00\x00\x05\x01\x00\x00\x00\x05\x01", "Item 2: no end to the chain"),  # not an item's number
        (b"\x03\x00\x00\x05\x01" * 4 + b"\x00\x00\x00\x05\x01", "Item 5: no end to the chain"),
        (b"\x00\x00\x00\x05\x01\x00", "1 octets after the last Item"),
        (b"\x00\x00\x00\x06\x01", "Item of 6 octets"),
        (b"\x00\x00\x00\x03\x01", "Item of 3 octets"),
        (b"\x00\x00\x00\x04", "Item: 0 octets are fewer than 1"),
        (b"\x00\x00\x40\x01" + bytes(0x3FFD), "16385 octets of Item"),
    ],
)
def test_substructures_that_do_not_end_where_they_should_are_malformed(chain: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        Items.parse(b"\x00" + chain)


def test_as_many_substructures_as_allowed() -> None:
    assert len(Items.parse(b"\x00" + b"\x03\x00\x00\x05\x01" * 3 + b"\x00\x00\x00\x05\x01").items) == 4


def test_no_substructures_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="not one Item"):
        Items(items=()).encode()


def test_short_substructures_are_remembered_and_long_ones_are_not() -> None:
    short, long = Item(kind=1, data=bytes(59)), Item(kind=1, data=bytes(60))
    octets = Items(items=(short, long)).encode()
    first, second = Items.parse(octets), Items.parse(octets)

    assert first.items == second.items == (short, long)
    assert first.items[0] is second.items[0]
    assert first.items[1] is not second.items[1]
