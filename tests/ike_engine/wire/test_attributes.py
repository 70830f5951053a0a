import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.errors import Malformed
from ike_engine.wire.attributes import MOST_ATTRIBUTES, Attribute, encode_attributes, find, parse_attributes

ATTRIBUTES = st.builds(
    Attribute,
    st.integers(0, 0x7FFF),
    st.integers(0, 0xFFFF) | st.binary(max_size=20),
)


def test_both_forms() -> None:
    octets = bytes.fromhex("800b0001000c00040020c49b40890000")
    attributes = (Attribute(11, 1), Attribute(12, b"\x00\x20\xc4\x9b"), Attribute(16521, b""))

    assert parse_attributes(octets) == attributes
    assert encode_attributes(attributes) == octets


@given(st.lists(ATTRIBUTES, max_size=10).map(tuple))
def test_round_trip(attributes: tuple[Attribute, ...]) -> None:
    assert parse_attributes(encode_attributes(attributes)) == attributes


@given(st.lists(ATTRIBUTES, min_size=1, max_size=4).map(tuple), st.data())
def test_a_truncation_is_malformed_or_ends_between_attributes(
    attributes: tuple[Attribute, ...], data: st.DataObject
) -> None:
    octets = encode_attributes(attributes)
    ends = {len(encode_attributes(attributes[:n])): n for n in range(len(attributes) + 1)}
    cut = data.draw(st.integers(0, len(octets)))

    if cut in ends:
        assert parse_attributes(octets[:cut]) == attributes[: ends[cut]]
    else:
        with pytest.raises(Malformed):
            parse_attributes(octets[:cut])


@pytest.mark.parametrize(
    ("value", "number", "octets"),
    [
        (28800, 28800, b"\x70\x80"),
        (b"\x00\x00\x70\x80", 28800, b"\x00\x00\x70\x80"),
        (b"", 0, b""),
        (b"\xff" * 8, 2**64 - 1, b"\xff" * 8),
    ],
)
def test_number_and_octets_of_either_form(value: int | bytes, number: int, octets: bytes) -> None:
    attribute = Attribute(12, value)

    assert (attribute.number, attribute.octets) == (number, octets)


def test_nine_octets_are_no_number() -> None:
    with pytest.raises(Malformed, match="attribute 12: a number of 9 octets"):
        _ = Attribute(12, bytes(9)).number


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (0xFFFF, 0xFFFF),
        (0x1_0000, b"\x00\x01\x00\x00"),
        (0x1_0000_0000, b"\x00\x00\x00\x01\x00\x00\x00\x00"),
    ],
)
def test_of_number_takes_the_shortest_form(number: int, value: int | bytes) -> None:
    attribute = Attribute.of_number(12, number)

    assert attribute == Attribute(12, value)
    assert attribute.number == number


def test_a_password_does_not_reach_a_log() -> None:
    assert repr(Attribute(16522, b"s3cret")) == "Attribute(16522, <6 octets>)"
    assert f"{Attribute(16522, b's3cret')}" == "Attribute(16522, <6 octets>)"
    assert repr(Attribute(16520, 0)) == "Attribute(16520, 0)"


def test_find_gives_the_first() -> None:
    attributes = (Attribute(1, 5), Attribute(2, 6), Attribute(1, 7))

    assert find(attributes, 1) == Attribute(1, 5)
    assert find(attributes, 3) is None


def test_more_attributes_than_anyone_sends_are_malformed() -> None:
    most = encode_attributes([Attribute(1, 1)] * MOST_ATTRIBUTES)

    assert len(parse_attributes(most)) == MOST_ATTRIBUTES
    with pytest.raises(Malformed, match="more than 255 attributes"):
        parse_attributes(most + most[:4])


@pytest.mark.parametrize(
    "unfit",
    [Attribute(0x8000, 1), Attribute(-1, 1), Attribute(1, 0x1_0000), Attribute(1, -1), Attribute(1, bytes(2**16))],
)
def test_an_attribute_that_does_not_fit_is_our_error(unfit: Attribute) -> None:
    with pytest.raises(ValueError, match="attribute"):
        encode_attributes([unfit])
