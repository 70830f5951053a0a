r"""Asks the realms in their order: the first that knows decides, the next is asked only when one is down.

Which realms are asked: those of the profile that serves the client, or the one that the user names
(``alice@corp``, ``CORP\alice``). What stands before or behind the sign and is no realm is part of
the user's name.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

from appliance.auth.verdicts import Accepted, Attempt, Challenged, FinalVerdict, Rejected, Unavailable
from appliance.lockouts import rules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

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
    """

    def __init__(
        self,
        realms: Sequence[Realm],
        throttle: Throttle,
        *,
        judge: Callable[[Realm, Attempt], Awaitable[Verdict]] = _by_realm_alone,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._throttle = throttle
        self._judge_by = judge
        self._sleep = sleep
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
            return await self._judge_in_turn(attempt, user)

    async def _judge_in_turn(self, attempt: Attempt, user: str) -> FinalVerdict | Unavailable:
        wait = self._throttle.reserve(user, attempt.source)
        if wait is None:
            return Rejected(
                f"too many failed logins of {attempt.username!r} or from {attempt.source}",
                "wait a few minutes; if the client has an old password saved, change it there; "
                f"to let the user try at once: coati lockout lift {quote(user)}",
            )
        if wait:
            await self._sleep(wait)
        verdict = await self._judge(attempt)
        match verdict:
            case Accepted():
                self._throttle.succeeded(user, attempt.source)
            case Rejected():
                self._throttle.failed(user, attempt.source)
            case Challenged() | Unavailable():  # the latter is nobody's fault who logs in: not counted against the user
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
        attempt = replace(attempt, username=user, login=attempt.username)
        if isinstance(attempt.state, _Round):  # a later round belongs to the realm that asked for it
            name, state = attempt.state
            return await self._ask((name,), replace(attempt, state=state))
        if named is not None:
            return await self._ask((named,), attempt)
        return await self._ask(attempt.realms or self._realms, attempt)

    def split(self, login: str) -> tuple[str | None, str]:
        """Give the realm that a login names, if it names one, and the user's name within it."""
        return split(login, self._realms.keys() | self._disabled)

    async def _ask(self, names: Iterable[str], attempt: Attempt) -> FinalVerdict | Unavailable:
        silent: list[Unavailable] = []
        for realm in [self._realms[name] for name in names if name in self._realms]:
            verdict = await self._judge_by(realm, attempt)
            match verdict:
                case Unavailable():
                    silent.append(replace(verdict, realm=realm.name))
                case Rejected():
                    return replace(verdict, realm=realm.name)
                case Challenged(message, prompt, state):
                    return Challenged(message, prompt, _Round(realm.name, state))
                case _:
                    return verdict
        if silent:
            return Unavailable(
                "; ".join(verdict.reason for verdict in silent),
                "; ".join(dict.fromkeys(verdict.remedy for verdict in silent if verdict.remedy)),
                silent[-1].realm,
            )
        return self._nobody_to_ask(attempt)

    def _nobody_to_ask(self, attempt: Attempt) -> Unavailable:
        if attempt.realms:
            return Unavailable(
                f"none of the realms of profile {attempt.profile!r} is in force: {', '.join(attempt.realms)}",
                f"coati realm set {attempt.realms[0]} --enable; or let all of them judge: "
                f"coati profile set {quote(attempt.profile)} --realm ''",
            )
        return Unavailable("no realm is in force: nobody can log in", "coati realm list")
