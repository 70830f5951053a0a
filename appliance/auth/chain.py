r"""Asks the realms in their order, up to the first that knows the user and is not down: that one decides.

Which realms are asked: those of the profile that serves the client, or the one that the user names
(``alice@corp``, ``CORP\alice``). What stands before or behind the sign and is no realm is part of
the user's name.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

from appliance.auth import refusal_times
from appliance.auth.verdicts import Accepted, Attempt, Challenged, FinalVerdict, Rejected, Unavailable, Unknown
from appliance.lockouts import rules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from appliance.auth.realm import Realm
    from appliance.auth.throttle import Throttle
    from appliance.auth.verdicts import Verdict


_AT_ONCE: Final = 16
"""So many guesses at one account are judged before the first failure counts; so many of its clients wait for nobody."""


class _Round(NamedTuple):
    """Which realm challenged, and what it wants back."""

    realm: str
    state: Any


def split(login: str, realms: Collection[str]) -> tuple[str | None, str]:
    """Give the realm that a login names, if it is one of ``realms``, and the user's name within it."""
    before, backslash, after = login.partition("\\")
    if backslash and after and before.casefold() in realms:
        return before.casefold(), after
    before, at, after = login.rpartition("@")
    if at and before and after.casefold() in realms:
        return after.casefold(), before
    return None, login


async def _by_realm_alone(realm: Realm, attempt: Attempt) -> Verdict:
    return await realm.authenticate(attempt)


class Chain:
    """All realms of the appliance, in the order of asking.

    Args:
        realms: Those to begin with.
        throttle: Shared by all profiles.
        judge: Has one realm judge; may demand more than the realm does (``second_factor``).
        sleep: Waits that many seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        realms: Sequence[Realm],
        throttle: Throttle,
        *,
        judge: Callable[[Realm, Attempt], Awaitable[Verdict]] = _by_realm_alone,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._throttle = throttle
        self._judge_by = judge
        self._sleep = sleep
        self._clock = clock
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.reconfigure(realms)

    def reconfigure(self, realms: Sequence[Realm], *, disabled: Collection[str] = ()) -> None:
        """Ask these from now on.

        Args:
            realms: In the order of asking.
            disabled: Names of the others, which somebody may still ask for.
        """
        self._realms = {realm.name: realm for realm in realms}
        self._disabled = frozenset(disabled)

    async def authenticate(self, attempt: Attempt) -> FinalVerdict:
        """Judge one round of a login, ``attempt.username`` being what the client sent. Never raises for that."""
        verdict = await self.judge(attempt)
        if isinstance(verdict, Unavailable):
            return Rejected(verdict.reason, verdict.remedy, verdict.realm)
        return verdict

    async def judge(self, attempt: Attempt) -> FinalVerdict | Unavailable:
        """The same, but tells whether nobody could judge: for whoever may know that."""
        _, user = self.split(attempt.username)
        # Kept by those who hold it. A realm may take seconds to refuse: until then the throttle knows of no failure.
        slots = self._slots.setdefault(rules.account_name(user), asyncio.Semaphore(_AT_ONCE))
        async with slots:
            wait = self._throttle.reserve(user, attempt.source)
            if wait is None:
                return Rejected(
                    f"too many failed logins of {attempt.username!r} or from {attempt.source}",
                    "wait a few minutes; if the client has an old password saved, change it there; "
                    f"to let the user try at once: coati lockout lift {quote(user)}",
                )
            if wait:
                await self._sleep(wait)
            began = self._clock()
            verdict = await self._judge(attempt)
            if isinstance(verdict, Rejected | Unavailable) and len(self._asked(attempt)) > 1:
                await self._sleep(refusal_times.rest(began, refusal_times.SEVERAL_REALMS_SECONDS, self._clock()))
            match verdict:  # not before: when a failure begins to count would tell as much
                case Accepted() if not attempt.password_only:  # who has a code to show yet is not forgiven wrong ones
                    self._throttle.succeeded(user, attempt.source)
                case Rejected():
                    self._throttle.failed(user, attempt.source)
                case (
                    Accepted() | Challenged() | Unavailable()
                ):  # the latter is not the fault of who logs in: not counted
                    pass
        return verdict

    async def _judge(self, attempt: Attempt) -> FinalVerdict | Unavailable:
        named, user = self.split(attempt.username)
        if named in self._disabled:
            return Rejected(
                f"{attempt.username!r} asks for realm {named!r}, which is disabled",
                f"to let its users in again: coati realm set {named} --enable",
                named,
            )
        if named is not None and attempt.realms and named not in attempt.realms:
            return Rejected(
                f"{attempt.username!r} asks for realm {named!r}, which does not judge logins of profile "
                f"{attempt.profile!r}",
                f"if it shall: coati profile set {quote(attempt.profile)} "
                + " ".join(f"--realm {name}" for name in (*attempt.realms, named)),
                named,
            )
        realms = self._asked(attempt)
        attempt = replace(attempt, username=user, login=attempt.username)
        if isinstance(attempt.state, _Round):
            attempt = replace(attempt, state=attempt.state.state)
        return await self._ask(realms, attempt)

    def _asked(self, attempt: Attempt) -> list[Realm]:
        """Give the realms that may judge this round, in the order of asking."""
        names: Collection[str] = attempt.realms or self._realms
        named, _ = self.split(attempt.username)
        if isinstance(attempt.state, _Round):  # a later round belongs to the realm that asked for it
            names = (attempt.state.realm,)
        elif named is not None:
            names = (named,)
        return [self._realms[name] for name in names if name in self._realms]

    def split(self, login: str) -> tuple[str | None, str]:
        """Give the realm that a login names, if it names one, and the user's name within it."""
        return split(login, self._realms.keys() | self._disabled)

    async def _ask(self, realms: Sequence[Realm], attempt: Attempt) -> FinalVerdict | Unavailable:
        passed: list[Unknown | Unavailable] = []
        for realm in realms:
            verdict = await self._judge_by(realm, attempt)
            match verdict:
                case Unknown() | Unavailable():
                    passed.append(replace(verdict, realm=realm.name))
                case Rejected():
                    return Rejected(*_together([*passed, replace(verdict, realm=realm.name)]))
                case Challenged(message, prompt, state):
                    return Challenged(message, prompt, _Round(realm.name, state))
                case _:
                    return verdict
        if not passed:
            return self._nobody_to_ask(attempt)
        if away := [answer for answer in passed if isinstance(answer, Unavailable)]:  # one of them may know the user
            return replace(Unavailable(*_together(passed)), realm=away[-1].realm)
        return Rejected(*_together(passed))

    def _nobody_to_ask(self, attempt: Attempt) -> Unavailable:
        if attempt.realms:
            return Unavailable(
                f"none of the realms of profile {attempt.profile!r} is in force: {', '.join(attempt.realms)}",
                f"coati realm set {attempt.realms[0]} --enable; or let all of them judge: "
                f"coati profile set {quote(attempt.profile)} --realm ''",
            )
        return Unavailable("no realm is in force: nobody can log in", "coati realm list")


def _together(answers: Sequence[Rejected | Unknown | Unavailable]) -> tuple[str, str, str]:
    """Make one refusal of what realms said one after the other: reason, remedy, and the realm that was the last."""
    several = len(answers) > 1
    reasons = [
        f"{answer.reason} in realm {answer.realm!r}" if several and isinstance(answer, Unknown) else answer.reason
        for answer in answers
    ]
    # Who is refused by one realm, or may be known to one that is down, is no new user of another.
    telling = [answer for answer in answers if not isinstance(answer, Unknown)] or answers
    remedies = dict.fromkeys(answer.remedy for answer in telling if answer.remedy)
    return "; ".join(reasons), "; ".join(remedies), answers[-1].realm
