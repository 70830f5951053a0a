"""What scenarios need of a gateway, whichever program it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.interop.lab.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.lab.network import Place


@dataclass(frozen=True)
class Session:
    """A user's stay, as the gateway tells it."""

    user: str
    virtual_ip: str


@dataclass(frozen=True)
class Refusal:
    """A client that was turned away, as the gateway tells it.

    Attributes:
        user: Its login, when it came so far.
        stage: How far it came (``ike_engine.events.Stage``).
        remedy: Which setting would let it in.
        offered: What it offered, one line each.
        accepted: What would have been accepted, one line each.
    """

    user: str
    reason: str
    stage: str = ""
    remedy: str = ""
    offered: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remainder:
    """What a gateway holds for clients: all empty when nobody is there and nothing has leaked."""

    sessions: tuple[Session, ...] = ()
    leases: frozenset[str] = frozenset()
    security_associations: int = 0

    def __bool__(self) -> bool:
        return bool(self.sessions or self.leases or self.security_associations)


class Gateway(Protocol):
    """A VPN gateway set up as ``office`` says, running in its place.

    Attributes:
        authority: PEM file of the CA that clients trust the gateway by.
    """

    place: Place
    authority: Path

    def pids(self) -> list[int]:
        """All its processes."""

    def sessions(self) -> list[Session]:
        """Users that are connected now."""

    def remainder(self) -> Remainder:
        """Everything held for clients now."""

    def rekey(self, user: str) -> None:
        """Start a new quick mode for the user's Child SA from this side."""

    def child_sas_made(self) -> int:
        """How many Child SAs were established so far, the first of each session and every rekey."""

    def disconnect(self, user: str) -> None:
        """End the user's session, as an administrator would."""

    def refusals(self) -> list[Refusal]:
        """Who was turned away so far and why, oldest first."""

    def log(self) -> str:
        """What it logged so far."""


def expect_sessions(gateway: Gateway, *expected: Session, within: float = 60) -> None:
    """Wait until just these users are connected: gateways write sessions down a moment after the fact.

    Raises:
        Failed: others are, or they are not, after ``within`` seconds.
    """

    def by_address(session: Session) -> str:
        return session.virtual_ip

    wanted = sorted(expected, key=by_address)
    what = f"sessions {wanted}"
    eventually(lambda: sorted(gateway.sessions(), key=by_address) == wanted, within=within, what=what)
