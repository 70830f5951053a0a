"""What a realm is asked and what it may say, independent of the protocol the login came by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ike_engine.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One round of a login.

    Attributes:
        username: As the client sent it.
        password: Of the first round.
        source: IP address of the client, in text.
        profile: Name of the connection profile that serves it.
        answer: What the user typed in a later round, else ``None``.
        state: ``Challenged.state`` of the round before, else ``None``.
    """

    username: str
    password: Secret
    source: str
    profile: str
    answer: Secret | None = None
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a realm says of a user it let in; goes unread through the engine to the lease.

    Attributes:
        realm: Name of the realm that accepted.
        account: Key of the local user, ``None`` when another realm knows the user.
    """

    realm: str
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is good. ``user`` is the canonical name."""

    user: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Rejected:
    """The login is bad: no other realm is asked. Both texts are for the administrator, never for the peer."""

    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Challenged:
    """The realm wants another round.

    Attributes:
        message: Text to show the user.
        prompt: What to ask for, one of ``password``, ``passcode``, ``answer``, ``next-pin``.
        state: The realm's own; comes back in the next ``Attempt``.
    """

    message: str
    prompt: str
    state: Any


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The realm cannot tell now: the next one in the chain is asked."""

    reason: str
    remedy: str = ""


Verdict = Accepted | Rejected | Challenged | Unavailable
FinalVerdict = Accepted | Rejected | Challenged
