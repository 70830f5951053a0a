"""What the chain expects of every source of users: local, PAM, RADIUS."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from appliance.auth.verdicts import Accepted, Challenged, Rejected, Unavailable, Unknown
from appliance.wording import with_remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from appliance.auth.verdicts import Attempt, Verdict


class HealthState(enum.StrEnum):
    """Whether a realm can judge logins."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmHealth:
    """How a realm is, from what it last saw; nothing is asked to find out.

    Attributes:
        since: When it came into this state, ``None`` when it was never used.
        words: For the administrator: what is the matter and what to do; empty when nothing is.
        last_error: The latest failure, also when it is over.
    """

    state: HealthState = HealthState.UNKNOWN
    since: datetime | None = None
    words: str = ""
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmTest:
    """What happened when an administrator tried a realm.

    Attributes:
        passed: It answered, and let the user in if one was named.
        words: What happened.
        remedy: What to do about it; empty when nothing is to be done.
        round_trip_seconds: How long the answer took.
        facts: What else is worth to know, name and value: attributes received, which server answered ...
    """

    passed: bool
    words: str
    remedy: str = ""
    round_trip_seconds: float | None = None
    facts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, verdict: Verdict, round_trip_seconds: float, facts: tuple[tuple[str, str], ...] = ()) -> Self:
        """Say what came of a login."""
        match verdict:
            case Accepted(user, claim):
                words, remedy = f"{user!r} may come in", ""
                granted = (("groups", ", ".join(claim.groups)), *_facts(claim.attributes.said()))
                facts = (*facts, *((name, value) for name, value in granted if value))
            case Challenged(message, prompt, _):
                words, remedy = f"the password is right; the realm asks for a {prompt}: {message}", ""
            case Rejected(words, remedy) | Unavailable(words, remedy):
                pass
            case Unknown(words, remedy):
                facts = (*facts, ("at a login", "the next realm that the profile asks judges, if there is one"))
        return cls(
            passed=isinstance(verdict, Accepted | Challenged),
            words=words,
            remedy=remedy,
            round_trip_seconds=round_trip_seconds,
            facts=facts,
        )


def _facts(said: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
        for name, value in said.items()
    )


class Realm(Protocol):
    """One configured source of users."""

    @property
    def name(self) -> str:
        """As the administrator calls it."""

    @property
    def health(self) -> RealmHealth:
        """How it is."""

    async def authenticate(self, attempt: Attempt) -> Verdict:
        """Judge one round of a login.

        May be cancelled at any ``await`` when the client is gone. Takes the same time for an
        unknown user as for a wrong password. Raises nothing for what a user or a server did:
        that is ``Rejected``, ``Unknown`` or ``Unavailable``.
        """

    async def test(self, attempt: Attempt | None) -> RealmTest:
        """Try it: judge ``attempt``, or only find out whether it would answer."""

    async def close(self) -> None:
        """Let go of what it holds; it is asked no more."""


class Health:
    """Keeps a realm's health up to date: what it saw last, and since when it sees the same.

    Args:
        wall_clock: Aware time.
    """

    def __init__(self, wall_clock: Callable[[], datetime]) -> None:
        self._wall_clock = wall_clock
        self.now = RealmHealth()

    def ok(self) -> None:
        """It answered."""
        if self.now.state is not HealthState.OK:
            self._become(HealthState.OK, "", self.now.last_error)

    def degraded(self, words: str) -> None:
        """It answered, but not as it should."""
        self._become(HealthState.DEGRADED, words, words)

    def down(self, words: str) -> None:
        """It did not answer."""
        self._become(HealthState.DOWN, words, words)

    def _become(self, state: HealthState, words: str, last_error: str) -> None:
        since = self.now.since if state is self.now.state else self._wall_clock()
        self.now = RealmHealth(state=state, since=since, words=words, last_error=last_error)


class BrokenRealm:
    """Stands for a realm that cannot be made from what is configured: it says why to whoever asks it."""

    def __init__(self, name: str, reason: str, remedy: str, at: datetime) -> None:
        self.name = name
        self.health = RealmHealth(
            state=HealthState.DOWN, since=at, words=with_remedy(reason, remedy), last_error=reason
        )
        self._answer = Unavailable(f"realm {name!r}: {reason}", remedy)

    async def authenticate(self, _attempt: Attempt) -> Verdict:
        """Say why it cannot."""
        return self._answer

    async def test(self, _attempt: Attempt | None) -> RealmTest:
        """Say why it cannot."""
        return RealmTest(passed=False, words=self._answer.reason, remedy=self._answer.remedy)

    async def close(self) -> None:
        """There is nothing to let go of."""
