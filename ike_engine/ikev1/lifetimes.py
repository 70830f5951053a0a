"""How long an SA may be used: what a transform says of it, and RESPONDER-LIFETIME (RFC 2407 sections 4.5, 4.6.3.1).

The attributes have the same meaning in both phases, but numbers of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ike_engine.errors import Malformed
from ike_engine.ikev1.numbers import EspAttribute, LifeType, NotifyType, Phase1Attribute, ProtocolId
from ike_engine.ikev1.payloads import Notification
from ike_engine.wire.attributes import Attribute, encode_attributes, parse_attributes

if TYPE_CHECKING:
    from collections.abc import Iterable

_TYPE_AND_DURATION = {
    ProtocolId.ISAKMP: (Phase1Attribute.LIFE_TYPE, Phase1Attribute.LIFE_DURATION),
    ProtocolId.ESP: (EspAttribute.LIFE_TYPE, EspAttribute.LIFE_DURATION),
}


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A limit in seconds and one in units of 1024 octets (0: none)."""

    seconds: int = 0
    kilobytes: int = 0


def lifetime_of(attributes: Iterable[Attribute], protocol: ProtocolId) -> Lifetime:
    """What attributes say: each LIFE_DURATION belongs to the LIFE_TYPE before it (RFC 2407 section 4.5).

    Raises:
        Malformed: a duration that is no number.
    """
    type_, duration = _TYPE_AND_DURATION[protocol]
    seconds = kilobytes = kind = 0
    for attribute in attributes:
        if attribute.type == type_:
            kind = attribute.number
        elif attribute.type == duration:
            if kind == LifeType.SECONDS:
                seconds = attribute.number
            elif kind == LifeType.KILOBYTES:
                kilobytes = attribute.number
    return Lifetime(seconds, kilobytes)


def responder_lifetime(protocol: ProtocolId, spi: bytes, seconds: int) -> Notification:
    """RESPONDER-LIFETIME: we keep the SA for a shorter time than was offered.

    Args:
        spi: Both cookies for ISAKMP, our inbound SPI for ESP.
    """
    type_, duration = _TYPE_AND_DURATION[protocol]
    attributes = (Attribute(type_, LifeType.SECONDS), Attribute(duration, seconds.to_bytes(4, "big")))
    return Notification(
        protocol=protocol, type=NotifyType.RESPONDER_LIFETIME, spi=spi, data=encode_attributes(attributes)
    )


def announced(notifications: Iterable[Notification], protocol: ProtocolId) -> Lifetime | None:
    """What a RESPONDER-LIFETIME among ``notifications`` says, if it says anything."""
    for notification in notifications:
        if notification.type == NotifyType.RESPONDER_LIFETIME and notification.protocol == protocol:
            try:
                lifetime = lifetime_of(parse_attributes(notification.data), protocol)
            except Malformed:
                continue
            if lifetime.seconds:
                return lifetime
    return None
