import enum
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest

from ike_engine.errors import Malformed
from ike_engine.wire.codec import Declared, OctetsList, OpenEnum, Reader, Rest, octets, rest, u8, u16, u32, u64, zero


class Colour(OpenEnum):
    RED = 1


class Direction(enum.IntEnum):
    UP = 1


@dataclass(frozen=True, kw_only=True)
class Sample(Declared):
    a: Annotated[int, u8]
    reserved: ClassVar[Annotated[int, zero(2)]]
    size: ClassVar[Annotated[int, u8]]
    b: Annotated[int, u16] = 7
    colour: Annotated[int, u8, Colour] = Colour.RED
    direction: Annotated[int, u8, Direction] = Direction.UP
    fixed: Annotated[bytes, octets(2)] = b"ff"
    sized: Annotated[bytes, octets("size")] = b""
    tail: Annotated[bytes, rest] = b""


@dataclass(frozen=True, kw_only=True)
class Runs(Declared):
    count: ClassVar[Annotated[int, u16]]
    size: ClassVar[Annotated[int, u8]]
    runs: Annotated[tuple[bytes, ...], OctetsList("size", "count", 3)]


@dataclass(frozen=True, kw_only=True)
class Wide(Declared):
    a: Annotated[int, u32]
    b: Annotated[int, u64]


@dataclass(frozen=True, kw_only=True)
class Bounded(Declared):
    data: Annotated[bytes, Rest(2, 4)]


SAMPLE = Sample(a=1, sized=b"abc", tail=b"the rest")
SAMPLE_OCTETS = b"\x01\x00\x00\x03\x00\x07\x01\x01ffabcthe rest"


def test_fields_travel_in_the_order_of_their_declaration() -> None:
    assert SAMPLE.encode() == SAMPLE_OCTETS
    assert Sample.parse(SAMPLE_OCTETS) == SAMPLE


def test_reserved_octets_are_ignored() -> None:
    assert Sample.parse(b"\x01\xff\xff" + SAMPLE_OCTETS[3:]) == SAMPLE


def test_a_parsed_value_is_frozen_and_shows_only_its_fields() -> None:
    parsed = Sample.parse(SAMPLE_OCTETS)

    assert vars(parsed).keys() == {"a", "b", "colour", "direction", "fixed", "sized", "tail"}
    with pytest.raises(AttributeError, match="cannot assign"):
        parsed.a = 2  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("octets_left", range(len(SAMPLE_OCTETS) - len(b"the rest")))
def test_every_truncation_is_malformed(octets_left: int) -> None:
    with pytest.raises(Malformed):
        Sample.parse(SAMPLE_OCTETS[:octets_left])


def test_octets_left_over_are_malformed() -> None:
    with pytest.raises(Malformed, match="1 octets too many"):
        Wide.parse(bytes(13))


def test_wide_numbers() -> None:
    wide = Wide(a=2**32 - 1, b=2**64 - 2)

    assert wide.encode() == b"\xff" * 11 + b"\xfe"
    assert Wide.parse(wide.encode()) == wide


def test_an_open_registry_keeps_unknown_numbers() -> None:
    unknown = Sample.parse(SAMPLE_OCTETS[:6] + b"\x63" + SAMPLE_OCTETS[7:]).colour

    assert isinstance(unknown, Colour)
    assert unknown == 99
    assert repr(unknown) == "<Colour.UNKNOWN_99: 99>"
    assert Sample(a=1, colour=unknown).encode()[6] == 99


def test_a_known_number_is_read_as_its_member() -> None:
    assert Sample.parse(SAMPLE_OCTETS).colour is Colour.RED


def test_a_closed_registry_refuses_unknown_numbers() -> None:
    with pytest.raises(Malformed, match="9 is not a valid Direction"):
        Sample.parse(SAMPLE_OCTETS[:7] + b"\x09" + SAMPLE_OCTETS[8:])


def test_an_open_registry_is_still_of_numbers() -> None:
    with pytest.raises(ValueError, match="'red' is not a valid Colour"):
        Colour("red")  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    "unfit",
    [
        Sample(a=256),
        Sample(a=-1),
        Sample(a=1, fixed=b"three"),
        Sample(a=1, sized=bytes(256)),
        Runs(runs=(b"a", b"bb")),
        Bounded(data=b"a"),
        Bounded(data=b"abcde"),
    ],
)
def test_a_value_that_does_not_fit_is_our_error(unfit: Declared) -> None:
    with pytest.raises(ValueError, match=r"Sample|octets|length"):
        unfit.encode()


@pytest.mark.parametrize("body", [b"", b"a", b"abcde"])
def test_rest_outside_its_bounds_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="where 2 to 4 may be"):
        Bounded.parse(body)


def test_runs_of_octets() -> None:
    runs = Runs(runs=(b"abcd", b"efgh"))

    assert runs.encode() == b"\x00\x02\x04abcdefgh"
    assert Runs.parse(runs.encode()) == runs


def test_runs_of_no_octets_are_none() -> None:
    assert Runs.parse(b"\xff\xff\x00") == Runs(runs=())


@pytest.mark.parametrize("body", [b"\x00\x02\x04abcdefg", b"\x00\x02\x04abcdefghi", b"\x00\x04\x01abcd"])
def test_runs_that_are_not_as_claimed_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        Runs.parse(body)


def test_numbers_come_first() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.late: a number after a field of variable length"):

        class Wrong(Declared):
            data: Annotated[bytes, rest]
            late: Annotated[int, u8]


def test_reader_counts_what_is_left() -> None:
    reader = Reader(b"abcdef", 1)

    assert (reader.take(2), len(reader), reader.take_rest(), len(reader)) == (b"bc", 3, b"def", 0)
    with pytest.raises(Malformed, match="1 octets wanted, 0 left"):
        reader.take(1)
