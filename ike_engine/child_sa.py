"""The two ESP SAs that a quick mode makes (RFC 2409 section 5.5), as a data plane installs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from ike_engine.crypto.suites import EspSuite
    from ike_engine.path import Path
    from ike_engine.secret import Secret


@dataclass(frozen=True, slots=True)
class EspKeys:
    """Keys of one direction. For AES-GCM ``encryption`` ends in the 4-octet salt (RFC 4106 section 8.1)."""

    encryption: Secret
    integrity: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSa:
    """A pair of ESP SAs in tunnel mode.

    Attributes:
        inbound_spi: Drawn by us; names the pair on this gateway (unique among all its Child SAs).
        outbound_spi: Drawn by the peer.
        peer_id: The authenticated peer it belongs to; all Child SAs of one peer share it.
        path: Outer addresses; with ``encapsulated`` also the UDP ports (RFC 3948).
        encapsulated: ESP in UDP rather than IP protocol 50.
        local_networks: What the peer may reach through us (traffic selectors, our side).
        remote_networks: The peer's side, normally its virtual IP as /32.
        lifetime_seconds: Hard limit; the core rekeys well before it.
        lifetime_kilobytes: Hard limit in 1024 octets, or ``None``.
    """

    inbound_spi: int
    outbound_spi: int
    peer_id: int
    suite: EspSuite
    inbound_keys: EspKeys
    outbound_keys: EspKeys
    path: Path
    encapsulated: bool
    local_networks: tuple[IPv4Network, ...]
    remote_networks: tuple[IPv4Network, ...]
    lifetime_seconds: int
    lifetime_kilobytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLife:
    """What the clocks of a Child SA say, on the endpoint's clock.

    Attributes:
        rekeys_at: When we renew it unless the peer does before; ``None``: that was tried, or it is replaced already.
        ends_at: When it is deleted.
        rekeying: We are making the one that replaces it.
        replaced: Another one carries the traffic; it waits for packets under way.
    """

    inbound_spi: int
    rekeys_at: float | None
    ends_at: float
    rekeying: bool
    replaced: bool
