"""The ISAKMP header in front of every message (RFC 2408 section 3.1, RFC 7296 section 3.1)."""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple, Self

from ike_engine.errors import Malformed

HEADER_OCTETS = 28

_HEADER = struct.Struct("!8s8sBBBBII")


class Flags(enum.IntFlag):
    """Flags of an IKEv1 message (RFC 2408 section 3.1)."""

    ENCRYPTION = 1
    COMMIT = 2
    AUTHENTICATION_ONLY = 4


class Header(NamedTuple):
    """One ISAKMP header.

    Attributes:
        initiator_spi: 8 octets; the initiator cookie of IKEv1.
        responder_spi: 8 octets; zero in the first message.
        next_payload: Number of the first payload, also when it is encrypted.
        flags: ``Flags`` in IKEv1; an int because IKEv2 has others.
        message_id: 0 in phase 1.
        length: Octets of the whole message, header included; set by ``encode_message``.
    """

    initiator_spi: bytes
    responder_spi: bytes
    next_payload: int
    exchange_type: int
    flags: int
    message_id: int
    major: int = 1
    minor: int = 0
    length: int = 0

    @classmethod
    def parse(cls, datagram: bytes) -> Self:
        """The header at the start of a datagram.

        What follows ``length`` octets is not part of the message: the caller cuts it off.

        Raises:
            Malformed: The datagram is too short for a header or for the length that it claims.
        """
        if len(datagram) < HEADER_OCTETS:
            raise Malformed(f"{len(datagram)} octets are no ISAKMP message")
        initiator_spi, responder_spi, next_payload, version, exchange_type, flags, message_id, length = (
            _HEADER.unpack_from(datagram)
        )
        if not HEADER_OCTETS <= length <= len(datagram):
            raise Malformed(f"a message of {length} octets in a datagram of {len(datagram)}")
        return cls(
            initiator_spi,
            responder_spi,
            next_payload,
            exchange_type,
            flags,
            message_id,
            major=version >> 4,
            minor=version & 15,
            length=length,
        )


def encode_message(header: Header, body: bytes) -> bytes:
    """Header and body as they travel; ``header.length`` is not looked at but computed.

    Raises:
        ValueError: A field does not fit its place.
    """
    if len(header.initiator_spi) != 8 or len(header.responder_spi) != 8:
        raise ValueError("an SPI is 8 octets")
    if not (0 <= header.major <= 15 and 0 <= header.minor <= 15):
        raise ValueError(f"no version: {header.major}.{header.minor}")
    try:
        packed = _HEADER.pack(
            header.initiator_spi,
            header.responder_spi,
            header.next_payload,
            header.major << 4 | header.minor,
            header.exchange_type,
            header.flags,
            header.message_id,
            HEADER_OCTETS + len(body),
        )
    except struct.error as e:
        raise ValueError(f"ISAKMP header: {e}") from e
    return packed + body
