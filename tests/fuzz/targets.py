"""One fuzz target for each parser of network octets: it must return, or raise ``Malformed``.

What was parsed must also come back: ``parse(encode(parse(x))) == parse(x)``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ike_engine.errors import Malformed
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Identity, Proposal, Transform, VendorId
from ike_engine.wire import vendor_ids
from ike_engine.wire.attributes import encode_attributes, parse_attributes
from ike_engine.wire.chain import Payload, encode_chain, parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header, encode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.wire.codec import Declared


def header(data: bytes) -> None:
    """A datagram."""
    parsed = Header.parse(data)
    if encode_message(parsed, data[HEADER_OCTETS : parsed.length]) != data[: parsed.length]:
        raise AssertionError(parsed)


def chain(data: bytes) -> None:
    """The number of the first payload, then what follows the header."""
    payloads, octets = parse_chain(data[0] if data else 0, data[1:], IKEV1_PAYLOADS)
    first, encoded = encode_chain([replace(payload) for payload in payloads])
    if octets > len(data[1:]) or parse_chain(first, encoded, IKEV1_PAYLOADS) != (payloads, len(encoded)):
        raise AssertionError(payloads)


def attributes(data: bytes) -> None:
    """Attributes, to the end."""
    parsed = parse_attributes(data)
    if parse_attributes(encode_attributes(parsed)) != parsed:
        raise AssertionError(parsed)
    for attribute in parsed:
        if attribute.octets not in data or repr(attribute) == "":
            raise AssertionError(attribute)
        with suppress(Malformed):  # a number longer than any
            if attribute.number != int.from_bytes(attribute.octets, "big"):
                raise AssertionError(attribute)


def declared(kind: type[Declared], data: bytes) -> None:
    """The body of one payload or substructure."""
    parsed = kind.parse(data)
    if kind.parse(parsed.encode()) != parsed:
        raise AssertionError(parsed)
    match parsed:
        case Identity():
            str(parsed.identification)
        case VendorId():
            vendor_ids.names(parsed.data)
    if isinstance(parsed, Payload) and parsed.octets != data:
        raise AssertionError(parsed)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "header": header,
    "chain": chain,
    "attributes": attributes,
    **{
        kind.__name__: partial(declared, kind)
        for kind in sorted((Proposal, Transform, *IKEV1_PAYLOADS.values()), key=lambda kind: kind.__name__)
    },
}


def run(target: Callable[[bytes], None], data: bytes) -> None:
    """Call a target; anything it raises from here is a bug."""
    with suppress(Malformed):
        target(data)
