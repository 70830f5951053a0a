from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.errors import Malformed
from ike_engine.wire.header import HEADER_OCTETS, Flags, Header, encode_message
from tests.vectors.captured import MESSAGES, WHOLE_MESSAGES, CapturedMessage

HEADERS = st.builds(
    Header,
    initiator_spi=st.binary(min_size=8, max_size=8),
    responder_spi=st.binary(min_size=8, max_size=8),
    next_payload=st.integers(0, 255),
    major=st.integers(0, 15),
    minor=st.integers(0, 15),
    exchange_type=st.integers(0, 255),
    flags=st.integers(0, 255),
    message_id=st.integers(0, 2**32 - 1),
)
PLAIN = Header(
    initiator_spi=b"initiato", responder_spi=b"responde", next_payload=1, exchange_type=2, flags=0, message_id=0
)


@pytest.mark.parametrize("message", WHOLE_MESSAGES, ids=str)
def test_header_of_a_captured_message(message: CapturedMessage) -> None:
    header = Header.parse(message.datagram)

    assert (header.exchange_type, header.message_id) == (message.exchange_type, message.message_id)
    assert (header.major, header.minor) == (1, 0)
    assert header.length == len(message.datagram)
    assert encode_message(header, message.datagram[HEADER_OCTETS:]) == message.datagram


def test_encryption_flag_of_an_encrypted_message() -> None:
    encrypted = next(m for m in MESSAGES if m.message_id)

    assert Header.parse(encrypted.datagram).flags == Flags.ENCRYPTION


def test_a_message_cut_short_by_lost_ip_fragments_is_malformed() -> None:
    (cut,) = (m for m in MESSAGES if not m.is_whole)

    with pytest.raises(Malformed, match="1617 octets in a datagram of 1472"):
        Header.parse(cut.datagram)


@given(HEADERS, st.binary(max_size=40), st.binary(max_size=10))
def test_what_is_encoded_parses_whatever_follows(header: Header, body: bytes, behind: bytes) -> None:
    datagram = encode_message(header, body)
    parsed = Header.parse(datagram + behind)

    assert parsed.length == len(datagram) == HEADER_OCTETS + len(body)
    assert encode_message(parsed, body) == datagram


@pytest.mark.parametrize("octets", range(HEADER_OCTETS))
def test_too_short_for_a_header(octets: int) -> None:
    with pytest.raises(Malformed, match="no ISAKMP message"):
        Header.parse(encode_message(PLAIN, b"")[:octets])


@pytest.mark.parametrize("claimed", [0, 27, 33, 2**32 - 1])
def test_length_field_that_cannot_be(claimed: int) -> None:
    datagram = encode_message(PLAIN, b"four")

    with pytest.raises(Malformed, match=f"{claimed} octets in a datagram of 32"):
        Header.parse(datagram[:24] + claimed.to_bytes(4, "big") + datagram[28:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"initiator_spi": b"short"},
        {"responder_spi": b"much too long"},
        {"major": 16},
        {"minor": -1},
        {"next_payload": 256},
        {"message_id": 2**32},
    ],
)
def test_header_that_does_not_fit_is_our_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"SPI|version|header"):
        encode_message(PLAIN._replace(**wrong), b"")
