"""What a realm is asked and what it may say, independent of the protocol the login came by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.policy.attributes import NOTHING_SAID, AccessPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from ike_engine.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    r"""One round of a login.

    Attributes:
        username: Who wants to come in; without the realm when ``login`` chose one by name.
        password: Of the first round.
        source: IP address of the client, in text.
        profile: Name of the connection profile that serves it.
        login: As the client sent it: ``alice``, ``alice@corp`` or ``CORP\alice``; empty: the same as ``username``.
        realms: Names of the realms that the profile lets judge, in their order; empty: all.
        prompts: The client can show further rounds.
        password_only: Nobody is connecting: it is about the password, not about codes of ours or a session of PAM.
            Whoever asks says when failures are forgiven.
        local_address: Our address that the client came to, in text.
        vendor_ids: What the client's software said of itself.
        attempt_id: The same in all rounds of one login, and in no other login of this process.
        answer: What the user typed in a later round, else ``None``.
        state: ``Challenged.state`` of the round before, else ``None``.
    """

    username: str
    password: Secret
    source: str
    profile: str
    login: str = ""
    realms: tuple[str, ...] = ()
    prompts: bool = True
    password_only: bool = False
    local_address: str = ""
    vendor_ids: tuple[str, ...] = ()
    attempt_id: str = ""
    answer: Secret | None = None
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a realm says of a user it let in; goes unread through the engine to the lease.

    Attributes:
        realm: Name of the realm that accepted.
        account: Key of the local user, ``None`` when another realm knows the user.
        group: The local user's own group; empty: none.
        policy: What is said for the local user.
        expires_at: When the account expires, and a session with it; ``None``: never.
        groups: Groups that the realm puts the user in: the first that exists here counts, before the
            local user's own.
        attributes: What the realm says of this login; stronger than every level of policy.
        accounting: The accounting's own: where to account this session, and what to echo there.
        pam_session: The PAM session that is open for the stay, if one is (``auth.pam``).
    """

    realm: str
    account: int | None = None
    group: str = ""
    policy: AccessPolicy = NOTHING_SAID
    expires_at: datetime | None = None
    groups: tuple[str, ...] = ()
    attributes: AccessPolicy = NOTHING_SAID
    accounting: Any = None
    pam_session: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is good. ``user`` is the canonical name."""

    user: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Rejected:
    """The login is bad, of a user of this realm: no other is asked. All is for the administrator, never for the peer.

    Attributes:
        realm: Name of the realm that says so; the chain fills it in. Empty: none was asked.
    """

    reason: str
    remedy: str = ""
    realm: str = ""


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
    """The realm cannot tell now: the next one in the chain is asked. ``realm`` as in ``Rejected``, of the last one."""

    reason: str
    remedy: str = ""
    realm: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The realm can tell that it has no such user: the next one in the chain is asked. All as in ``Rejected``."""

    reason: str
    remedy: str = ""
    realm: str = ""


Verdict = Accepted | Rejected | Challenged | Unavailable | Unknown
FinalVerdict = Accepted | Rejected | Challenged
