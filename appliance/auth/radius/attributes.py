"""Reads the attributes of a reply: what does not decode is left out, what is secret is not shown."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from appliance.auth.radius.dictionary import DICTIONARY

if TYPE_CHECKING:
    from pyrad.packet import Packet

_MICROSOFT: Final = 311
# Keys, proofs of passwords, what ties a challenge together: nobody needs to see them.
_NEVER_SHOWN: Final = frozenset(
    {2, 3, 24, 60, 69, 79, 80, *((_MICROSOFT, number) for number in (1, 2, 11, 12, 16, 17, 25, 26))}
)
_MOST_SHOWN: Final = 100
_MOST_CHARACTERS: Final = 200


class Attributes:
    """What a packet says, by the names of the dictionary."""

    def __init__(self, packet: Packet) -> None:
        self._packet = packet

    def texts(self, name: str) -> list[str]:
        """Give all values of a text attribute; octets that are no UTF-8 are replaced, control characters left out."""
        return [_printable(octets.decode("utf-8", "replace")) for octets in self.octets(name)]

    def text(self, name: str) -> str:
        """Give the first value, or nothing."""
        return next(iter(self.texts(name)), "").strip()

    def joined(self, name: str) -> str:
        """Give one text that was too long for one attribute (RFC 2865 section 5.18: shown in order)."""
        return "\n".join(text for text in map(str.strip, self.texts(name)) if text)

    def octets(self, name: str) -> list[bytes]:
        """Give all values as they came."""
        found: list[bytes] = self._packet.get(_number(DICTIONARY.attributes[name]), [])
        return found

    def number(self, name: str) -> int | None:
        """Give the first value of an integer attribute."""
        for octets in self.octets(name):
            if len(octets) == 4:
                return int.from_bytes(octets, "big")
        return None

    def addresses(self, *names: str) -> list[IPv4Address]:
        """Give the addresses in these attributes, in this order."""
        return [IPv4Address(octets) for name in names for octets in self.octets(name) if len(octets) == 4]

    def shown(self) -> tuple[tuple[str, str], ...]:
        """Give all that an administrator may see, name and value, in the order in which it came."""
        pairs: list[tuple[str, str]] = []
        for key, values in zip(self._packet.keys(), self._packet.values(), strict=True):
            pairs += [(_name(key), _shown(key, value)) for value in values]
        return tuple(pairs[:_MOST_SHOWN])


def _name(key: str | int | tuple[int, int]) -> str:
    if isinstance(key, str):
        return key
    return f"attribute {key}" if isinstance(key, int) else f"vendor {key[0]} attribute {key[1]}"


def _shown(key: str | int | tuple[int, int], value: bytes) -> str:
    attribute = DICTIONARY.attributes[key] if isinstance(key, str) else None
    number = _number(attribute) if attribute is not None else key
    if number in _NEVER_SHOWN or (attribute is None and isinstance(number, tuple) and number[0] == _MICROSOFT):
        return f"<{len(value)} octets>"
    if attribute is not None and len(value) == 4:
        if attribute.type == "ipaddr":
            return str(IPv4Address(value))
        if attribute.type in ("integer", "date"):
            named = attribute.values.HasBackward(value)
            return str(attribute.values.GetBackward(value)) if named else str(int.from_bytes(value, "big"))
    text = value.decode("utf-8", "replace")
    return text[:_MOST_CHARACTERS] if text.isprintable() else f"0x{value[:_MOST_CHARACTERS].hex()}"


def _number(attribute: Any) -> int | tuple[int, int]:  # noqa: ANN401  pyrad's own
    """Give the number that a packet keeps an attribute under."""
    code: int = attribute.code
    return (DICTIONARY.vendors.GetForward(attribute.vendor), code) if attribute.vendor else code


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable() or character == "\n")
