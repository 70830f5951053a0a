"""What the core reports: facts without an answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ike_engine.transcript import Transcript, nothing_said

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network

    from ike_engine.errors import IkeError
    from ike_engine.path import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class IsakmpSaEstablished:
    """Phase 1 is done and the peer's Xauth login was accepted (or carried over)."""

    isakmp_sa: int
    peer_id: int
    initiator_spi: bytes
    responder_spi: bytes
    suite: str
    authentication: str
    mode: str
    lifetime_seconds: int
    carried_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConnected:
    """The peer's first Child SA is up: a session begins.

    Attributes:
        configuration: Client side only: what Mode Config gave us (``actions.Configuration``).
        login_seconds: From the first message of phase 1 until now.
    """

    peer_id: int
    user: str
    claim: Any
    profile: str
    authentication: str
    mode: str
    identity: str
    virtual_ip: IPv4Address | None
    path: Path
    behind_nat: bool
    ike_suite: str
    esp_suite: str
    application_version: str
    vendor_ids: tuple[str, ...]
    configuration: Any = None
    login_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaEstablished:
    """A Child SA is up in both directions; ``replaces`` names the one it rekeys."""

    peer_id: int
    inbound_spi: int
    outbound_spi: int
    suite: str
    local_networks: tuple[IPv4Network, ...]
    remote_networks: tuple[IPv4Network, ...]
    lifetime_seconds: int
    replaces: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaRemoved:
    """A Child SA is gone."""

    peer_id: int
    inbound_spi: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMoved:
    """An authenticated message came from a new address or port."""

    peer_id: int
    path: Path


class Liveness(enum.Enum):
    """What DPD knows (RFC 3706)."""

    ALIVE = "alive"
    PROBING = "probing"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessChanged:
    """DPD news of a peer.

    Attributes:
        probe: How many probes are unanswered (0 when alive).
        probes: How many will be tried.
        round_trip_seconds: Of the last answered probe, or ``None``.
    """

    peer_id: int
    liveness: Liveness
    probe: int
    probes: int
    round_trip_seconds: float | None


class Goodbye(enum.Enum):
    """Why a peer's stay ended."""

    PEER_DELETED = "client-disconnected"
    ADMINISTRATOR = "administrator"
    DEAD = "dead-peer"
    EXPIRED = "lifetime-expired"
    SUPERSEDED = "logged-in-again"
    FAILED = "failed"
    SHUTDOWN = "gateway-shutdown"
    SESSION_LIMIT = "session-limit"
    IDLE_LIMIT = "idle-limit"
    QUOTA = "quota-used-up"
    ACCESS_HOURS = "access-hours-over"
    REPLACED = "replaced-by-another-session"
    AUTHORITY = "ended-by-its-realm"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerGone:
    """Nothing of this peer is left: its lease is free. Every ``Configure`` is followed by one, once.

    Attributes:
        transcript: What was said to it and by it, from phase 1 to the goodbye.
    """

    peer_id: int
    user: str
    goodbye: Goodbye
    reason: str
    transcript: Transcript = field(default=nothing_said, repr=False, compare=False)


class Stage(enum.Enum):
    """How far a refused client came."""

    PHASE_1 = "phase 1"
    XAUTH = "Xauth"
    MODE_CONFIG = "Mode Config"
    QUICK_MODE = "quick mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRefused:
    """A client was turned away (or gave up), in words for the administrator.

    Attributes:
        offered: What the client offered, one line each.
        accepted: What the profile accepts, one line each.
        remedy: Which setting would let it in; empty when none would.
        error: Client side: what went wrong, as its class.
        claim: Opaque: what the verdict said that refused the login, or the one that had accepted it before.
        isakmp_sa: Our handle of its ISAKMP SA, as in ``PeerDescription``.
        transcript: What was said so far.
    """

    path: Path
    stage: Stage
    reason: str
    profile: str = ""
    identity: str = ""
    username: str = ""
    offered: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    remedy: str = ""
    vendor_ids: tuple[str, ...] = ()
    error: type[IkeError] | None = None
    claim: Any = None
    isakmp_sa: int = 0
    transcript: Transcript = field(default=nothing_said, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class DatagramDropped:
    """A datagram was not acted on; for counters."""

    path: Path
    reason: str


Event = (
    IsakmpSaEstablished
    | PeerConnected
    | ChildSaEstablished
    | ChildSaRemoved
    | PeerMoved
    | LivenessChanged
    | PeerGone
    | PeerRefused
    | DatagramDropped
)
