"""What the core wants from the world, and what the world may tell it to do.

Outputs leave the ``Endpoint`` in one queue, in order. A ``Question`` waits for an answer of the
type it names; everything else is done and forgotten.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ike_engine.events import Event, Goodbye
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from ike_engine.child_sa import ChildSa
    from ike_engine.path import Path
    from ike_engine.policy import Authentication, Policy, Profile

T = TypeVar("T")

HOST_MASK = IPv4Address("255.255.255.255")


# ---- questions and their answers ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """Something only the outside can answer; ``T`` is the type of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDescription:
    """What is known of a peer when it asks to come in.

    Attributes:
        isakmp_sa: Our handle of its ISAKMP SA, unique while the process lives.
        profile: Name of the connection profile that serves it.
        authentication: The phase 1 method.
        path: Where it comes from.
        identity: Its phase 1 identity in words (shared by all when it is a group name).
        vendor_ids: Names of its vendor IDs, unknown ones in hex.
        certificate: DER of its verified certificate (XAUTH_RSA only).
        issuers: DER of those above it, each by the next, up to the authority that we trust.
    """

    isakmp_sa: int
    profile: str
    authentication: Authentication
    path: Path
    identity: str
    vendor_ids: tuple[str, ...] = ()
    certificate: bytes | None = None
    issuers: tuple[bytes, ...] = ()


class Prompt(enum.Enum):
    """Which Xauth attribute a further round asks for (draft-beaulieu-ike-xauth-02 section 6.3)."""

    PASSWORD = "password"  # noqa: S105  the name of an attribute
    PASSCODE = "passcode"
    ANSWER = "answer"
    NEXT_PIN = "next-pin"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is good.

    Attributes:
        user: Canonical name; sessions, leases and accounting go by it.
        claim: Opaque to the engine: handed back in ``Configure`` (groups, RADIUS attributes ...).
    """

    user: str
    claim: Any = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The login is refused.

    Attributes:
        reason: For the administrator, never for the peer.
        remedy: The same.
        claim: Opaque to the engine: handed back in ``PeerRefused`` (which realm refused ...).
    """

    reason: str
    remedy: str = ""
    claim: Any = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """Another round is wanted (RADIUS Access-Challenge, one-time code).

    Attributes:
        message: Text to show the user.
        prompt: What to ask for.
        state: Opaque; comes back in the next ``Authenticate``.
    """

    message: str
    prompt: Prompt
    state: Any


Verdict = Accepted | Rejected | Challenge


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate(Question[Verdict]):
    """Is this login good? The first round has name and password; later ones answer a ``Challenge``.

    Attributes:
        answer: What the user typed in a later round, else ``None``.
        state: ``Challenge.state`` of the round before, else ``None``.
    """

    peer: PeerDescription
    username: str
    password: Secret
    answer: Secret | None = None
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What Mode Config gives a client (draft-dukes-ike-mode-cfg-02; Cisco Unity attributes).

    Attributes:
        address: Its virtual IP.
        netmask: Netmask to tell, normally that of a host.
        reachable: Networks behind us that its Child SAs may carry; (0.0.0.0/0,) for all.
        filtered: Something outside of the Child SAs lets packets through to ``reachable`` only: the Child SAs are
            installed as the client asks, so that what is turned away can be answered and what is
            reachable can change while they last.
        split_include: Networks to send through the tunnel; empty: everything.
        split_exclude: Networks to keep outside although everything goes through ("local LAN").
        behind: Networks behind the client: its Child SAs may carry these as well as its address.
        reauthenticate_on_rekey: For this peer in place of the profile's; ``None``: the profile's.
    """

    address: IPv4Address
    netmask: IPv4Address = HOST_MASK
    dns: tuple[IPv4Address, ...] = ()
    wins: tuple[IPv4Address, ...] = ()
    domain: str = ""
    split_include: tuple[IPv4Network, ...] = ()
    split_exclude: tuple[IPv4Network, ...] = ()
    split_dns: tuple[str, ...] = ()
    banner: str = ""
    save_password: bool = False
    reachable: tuple[IPv4Network, ...] = (IPv4Network("0.0.0.0/0"),)
    filtered: bool = False
    behind: tuple[IPv4Network, ...] = ()
    reauthenticate_on_rekey: bool | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """No configuration can be given (pool exhausted, too many sessions ...), in words."""

    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure(Question["Configuration | Refused"]):
    """Give this user an address and the rest; released by the event ``PeerGone``.

    Asked once a peer, and again (for the same answer) only if it was withdrawn.

    Attributes:
        peer_id: The authenticated peer the lease is for.
        hostname: What the client calls itself (DDNS_HOSTNAME), may be empty.
        application_version: What the client says it is, may be empty.
    """

    peer_id: int
    peer: PeerDescription
    user: str
    claim: Any
    hostname: str = ""
    application_version: str = ""


# ---- outputs --------------------------------------------------------------------------------


class Transmit(NamedTuple):
    """Send a datagram. On a NAT-T path the runtime puts the non-ESP marker in front."""

    data: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer ``question`` by ``Endpoint.answer(ask_id, value, now)``, at any time."""

    ask_id: int
    question: Question[Any]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The answer to ``ask_id`` is no longer wanted; stop working on it if possible."""

    ask_id: int


@dataclass(frozen=True, slots=True)
class InstallInbound:
    """Install the inbound half: after this the peer may send."""

    child: ChildSa


@dataclass(frozen=True, slots=True)
class InstallBoth:
    """Install both halves at once: there is no older Child SA whose outbound half could still be wanted.

    Traffic that the peer sends right behind its last message of quick mode is answered, also when it
    overtakes that message on its way through our processes.
    """

    child: ChildSa


@dataclass(frozen=True, slots=True)
class InstallOutbound:
    """Install the outbound half: the peer is known to be able to receive."""

    child: ChildSa


@dataclass(frozen=True, slots=True)
class RemoveChildren:
    """Remove these Child SAs."""

    inbound_spis: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MoveChildren:
    """The peer moved: send these Child SAs' packets along another path."""

    inbound_spis: tuple[int, ...]
    path: Path


Output = (
    Transmit | Ask | Withdraw | InstallInbound | InstallBoth | InstallOutbound | RemoveChildren | MoveChildren | Event
)


# ---- commands -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Replace the policy; established SAs keep the profile they were made with."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Delete the peer's SAs, telling it so."""

    peer_id: int
    reason: str = "disconnected by the administrator"
    goodbye: Goodbye = Goodbye.ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class RekeyChildren:
    """Make new Child SAs in place of the peer's present ones."""

    peer_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client proves itself with. ``answer_prompt`` rounds are asked as ``AnswerPrompt``."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPrompt(Question[Secret]):
    """Client side: the gateway asks for something more; show ``message`` and ask the user."""

    message: str
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Client side: initiate to a gateway.

    Attributes:
        profile: One method, one mode, our proposals, our identity or key, the CA as trust anchor.
        gateway_name: Name or address that the gateway's certificate must carry; empty: any that chains.
        path: From our port 500 (or any) to the gateway's.
        nat_t_path: The float target: our and its NAT-T ends.
        local_identity: Our phase 1 identity (group name, user name).
        networks: Destinations to ask for in quick mode.
        behind: Networks behind us that the gateway shall reach: a Child SA each, besides that of our address.
    """

    profile: Profile
    credentials: Credentials
    path: Path
    nat_t_path: Path
    gateway_name: str = ""
    networks: tuple[IPv4Network, ...] = (IPv4Network("0.0.0.0/0"),)
    behind: tuple[IPv4Network, ...] = ()
    hostname: str = ""
    application_version: str = field(default="Coati")


Command = Reconfigure | Disconnect | RekeyChildren | Connect
