"""Payloads, and the generic header that chains them (RFC 2408 section 3.2, RFC 7296 section 3.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, Self, TypeVar

from ike_engine.errors import Malformed
from ike_engine.wire.codec import Declared, Reader, Variable, rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_PAYLOADS = 255
"""More in one message than any client sends (Windows asks for each of its authorities by a CERTREQ)."""

_GENERIC_HEADER = struct.Struct("!BxH")  # next payload, RESERVED, length
_HEADER_OCTETS = _GENERIC_HEADER.size
_LONGEST = 0xFFFF
_SHORT = 64  # octets that are worth remembering
_LONGEST_CHAIN = 0x4000  # octets of proposals; the longest offer that we have seen has a tenth of that

D = TypeVar("D", bound=Declared)


@dataclass(frozen=True, kw_only=True)
class Payload(Declared):
    """Base of all payloads: ``class Nonce(Payload, number=10)``.

    Attributes:
        number: Payload type in the generic header before it.
        anywhere: It may ride in any message, whatever the shape of that message says.
        octets: The body as it was received, without the generic header; empty when built by us.
    """

    number: ClassVar[int]
    anywhere: ClassVar[bool] = False
    octets: bytes = field(default=b"", init=False, repr=False, compare=False)

    def __init_subclass__(cls, *, number: int | None = None, anywhere: bool | None = None) -> None:
        super().__init_subclass__()
        if number is not None:
            cls.number = number
        if anywhere is not None:
            cls.anywhere = anywhere

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The payload that ``body`` holds, and ``body`` itself. Raises nothing but ``Malformed``."""
        payload = object.__new__(cls)
        object.__setattr__(payload, "__dict__", {"octets": body, **cls._layout.read(body)})
        return payload

    @property
    def body(self) -> bytes:
        """What the formulas write as ``<P>_b``: the octets received, or those that we send."""
        return self.octets or self.encode()


@dataclass(frozen=True, kw_only=True)
class UnknownPayload(Payload, anywhere=True):
    """A payload whose number is not in the registry: private use, or a later time's.

    Attributes:
        number_: Its payload type.
    """

    number_: int
    data: Annotated[bytes, rest]


def parse_chain(first: int, data: bytes, registry: Mapping[int, type[Payload]]) -> tuple[tuple[Payload, ...], int]:
    """The payloads of a message and the number of octets that they take; padding may follow.

    Args:
        first: Number of the first payload, from the header before ``data``; 0: there is none.
        data: What follows the ISAKMP header, decrypted.
        registry: The classes to parse by, by payload number.

    Raises:
        Malformed: A payload that does not fit into ``data`` or that is not what it claims to be.
    """
    payloads: list[Payload] = []
    number, at, end = first, 0, len(data)
    while number:
        if len(payloads) == MOST_PAYLOADS:
            raise Malformed(f"more than {MOST_PAYLOADS} payloads")
        start = at + _HEADER_OCTETS
        if start > end:
            raise Malformed(f"payload {number} is announced, {end - at} octets are left")
        following, length = _GENERIC_HEADER.unpack_from(data, at)
        at += length
        if length < _HEADER_OCTETS or at > end:
            raise Malformed(f"payload {number} of {length} octets, {end - start + _HEADER_OCTETS} are left")
        body = data[start:at]
        kind = registry.get(number)
        payloads.append(_unknown(number, body) if kind is None else kind.parse(body))
        number = following
    return tuple(payloads), at


def encode_chain(payloads: Iterable[Payload]) -> tuple[int, bytes]:
    """The number of the first payload, for the header before, and the octets of all.

    A payload that was received travels on as it came: what is hashed is what is sent.

    Raises:
        ValueError: A field does not fit its place.
    """
    following = 0
    parts: list[bytes] = []
    for payload in reversed(tuple(payloads)):
        body = payload.body
        length = len(body) + _HEADER_OCTETS
        if length > _LONGEST:
            raise ValueError(f"a payload of {length} octets")
        parts.append(body)
        parts.append(_GENERIC_HEADER.pack(following, length))
        following = payload.number_ if isinstance(payload, UnknownPayload) else payload.number
    parts.reverse()
    return following, b"".join(parts)


def _unknown(number: int, body: bytes) -> UnknownPayload:
    payload = UnknownPayload(number_=number, data=body)
    payload.__dict__["octets"] = body
    return payload


class Substructures(Variable[tuple[D, ...]], Generic[D]):
    """Proposals in an SA, transforms in a proposal: chained by the same generic header.

    Args:
        kind: What is chained.
        more: The "next" number while there are more; 0 ends the chain.
        most: How many we accept.
        count: The field of the fixed part that tells their number. It is written, but when read the
            chain is believed.
        remember: Parse short ones only once: so many of them are kept. For what different peers send
            alike; never for secrets.
    """

    def __init__(self, kind: type[D], *, more: int, most: int, count: str = "", remember: int = 0) -> None:
        self.kind = kind
        self.more = more
        self.most = most
        self.count = count
        self._parse_short = lru_cache(maxsize=remember)(kind.parse) if remember else kind.parse

    def read(self, reader: Reader, sizes: Mapping[str, int]) -> tuple[D, ...]:  # noqa: ARG002  a Variable's signature
        """Take them all, to the end."""
        data = reader.take_rest()
        if len(data) > _LONGEST_CHAIN:
            raise Malformed(f"{len(data)} octets of {self.kind.__name__}")
        found: list[D] = []
        at, end, following = 0, len(data), self.more
        while following:
            start = at + _HEADER_OCTETS
            if following != self.more or start > end or len(found) == self.most:
                raise Malformed(f"{self.kind.__name__} {len(found) + 1}: no end to the chain")
            following, length = _GENERIC_HEADER.unpack_from(data, at)
            at += length
            if length < _HEADER_OCTETS or at > end:
                raise Malformed(f"{self.kind.__name__} of {length} octets")
            found.append((self._parse_short if length <= _SHORT else self.kind.parse)(data[start:at]))
        if at != end:
            raise Malformed(f"{end - at} octets after the last {self.kind.__name__}")
        return tuple(found)

    def write(self, value: tuple[D, ...]) -> bytes:
        """Chain them; there is at least one."""
        if not value:
            raise ValueError(f"not one {self.kind.__name__}")
        bodies = [each.encode() for each in value]
        last = len(bodies) - 1
        return b"".join(
            _GENERIC_HEADER.pack(self.more if i < last else 0, len(body) + _HEADER_OCTETS) + body
            for i, body in enumerate(bodies)
        )

    def sizes(self, value: tuple[D, ...]) -> dict[str, int]:
        """Their number, if a field tells it."""
        return {self.count: len(value)} if self.count else {}
