"""Data attributes: the type/value pairs of transforms and of Mode Config (RFC 2408 section 3.3)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Self

from ike_engine.errors import Malformed
from ike_engine.wire.codec import Reader, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_ATTRIBUTES = 255
"""More in one list than any client sends."""

_ATTRIBUTE = struct.Struct("!HH")  # format bit and type; value, or length of the value
_SHORT = 0x8000
_MOST_NUMBER_OCTETS = 8


class Attribute(NamedTuple):
    """One attribute. An int value travels in the short form (TV), octets in the long one (TLV).

    The same fact comes both ways from different clients (lifetimes above all): read it by
    ``number`` or ``octets``, not by the type of ``value``.
    """

    type: int
    value: int | bytes

    @classmethod
    def of_number(cls, type_: int, number: int) -> Self:
        """A number in the short form if it fits there, else in 4 octets (or 8)."""
        if number <= 0xFFFF:
            return cls(type_, number)
        return cls(type_, number.to_bytes(4 if number <= 0xFFFF_FFFF else 8, "big"))

    @property
    def number(self) -> int:
        """The value as a number; that of no octets is 0.

        Raises:
            Malformed: More than 8 octets are no number.
        """
        if isinstance(self.value, int):
            return self.value
        if len(self.value) > _MOST_NUMBER_OCTETS:
            raise Malformed(f"attribute {self.type}: a number of {len(self.value)} octets")
        return int.from_bytes(self.value, "big")

    @property
    def octets(self) -> bytes:
        """The value as octets; a short one has 2."""
        return self.value.to_bytes(2, "big") if isinstance(self.value, int) else self.value

    def __repr__(self) -> str:
        """Numbers as they are; octets only by their number, for passwords are among them."""
        value = self.value if isinstance(self.value, int) else f"<{len(self.value)} octets>"
        return f"Attribute({int(self.type)}, {value})"


def find(attributes: Iterable[Attribute], type_: int) -> Attribute | None:
    """The first attribute of a type."""
    return next((attribute for attribute in attributes if attribute.type == type_), None)


def parse_attributes(data: bytes) -> tuple[Attribute, ...]:
    """All attributes, in the order in which they came.

    Raises:
        Malformed: The last one does not end where ``data`` does, or there are too many.
    """
    found: list[Attribute] = []
    at, end = 0, len(data)
    while at < end:
        start = at + 4
        if start > end:
            raise Malformed(f"{end - at} octets after the last attribute")
        if len(found) == MOST_ATTRIBUTES:
            raise Malformed(f"more than {MOST_ATTRIBUTES} attributes")
        kind, value = _ATTRIBUTE.unpack_from(data, at)
        if kind & _SHORT:
            found.append(Attribute(kind ^ _SHORT, value))
            at = start
        else:
            at = start + value
            if at > end:
                raise Malformed(f"attribute {kind} of {value} octets, {end - start} are left")
            found.append(Attribute(kind, data[start:at]))
    return tuple(found)


def encode_attributes(attributes: Iterable[Attribute]) -> bytes:
    """The octets of attributes, in their order.

    Raises:
        ValueError: A type that needs more than 15 bits, or a value more than 16 (or 65535 octets).
    """
    parts: list[bytes] = []
    try:
        for kind, value in attributes:
            if not 0 <= kind < _SHORT:
                raise ValueError(f"no attribute type: {kind}")
            if isinstance(value, int):
                parts.append(_ATTRIBUTE.pack(kind | _SHORT, value))
            else:
                parts.append(_ATTRIBUTE.pack(kind, len(value)))
                parts.append(value)
    except struct.error as e:
        raise ValueError(f"attribute {kind}: {e}") from e
    return b"".join(parts)


class AttributeList(Variable[tuple[Attribute, ...]]):
    """The field codec: attributes up to the end."""

    def read(self, reader: Reader, sizes: Mapping[str, int]) -> tuple[Attribute, ...]:  # noqa: ARG002  its signature
        """Take them all."""
        return parse_attributes(reader.take_rest())

    def write(self, value: tuple[Attribute, ...]) -> bytes:
        """One after the other."""
        return encode_attributes(value)


attribute_list = AttributeList()
