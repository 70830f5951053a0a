"""Asks the realms in their order: the first that knows decides, the next is asked only when one is down."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.auth.verdicts import Accepted, Attempt, Challenged, FinalVerdict, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from appliance.auth.realm import Realm
    from appliance.auth.throttle import Throttle


class _Round(NamedTuple):
    """Which realm challenged, and what it wants back."""

    realm: str
    state: Any


class Chain:
    """All realms of the appliance, in the order of asking.

    Args:
        realms: At least one.
        throttle: Shared by all profiles.
        clock: Monotonic seconds.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        realms: Sequence[Realm],
        throttle: Throttle,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._realms = tuple(realms)
        self._throttle = throttle
        self._clock = clock
        self._sleep = sleep

    async def authenticate(self, attempt: Attempt) -> FinalVerdict:
        """Judge one round of a login. Never raises for what a client sent."""
        wait = self._throttle.reserve(attempt.username, attempt.source, self._clock())
        if wait is None:
            return Rejected(
                f"too many failed logins of {attempt.username!r} from {attempt.source}",
                "wait a few minutes; if the client has an old password saved, change it there",
            )
        if wait:
            await self._sleep(wait)
        verdict = await self._ask(attempt)
        match verdict:
            case Accepted():
                self._throttle.succeeded(attempt.username, attempt.source)
            case Rejected():
                self._throttle.failed(attempt.username, attempt.source, self._clock())
            case Challenged():
                pass
            case Unavailable(reason, remedy):  # nobody's fault who logs in: not counted against the user
                return Rejected(reason, remedy)
        return verdict

    async def _ask(self, attempt: Attempt) -> FinalVerdict | Unavailable:
        realms = self._realms
        if isinstance(attempt.state, _Round):  # a later round belongs to the realm that asked for it
            name, state = attempt.state
            realms = tuple(realm for realm in realms if realm.name == name)
            attempt = replace(attempt, state=state)
        silent: list[Unavailable] = []
        for realm in realms:
            verdict = await realm.authenticate(attempt)
            match verdict:
                case Unavailable():
                    silent.append(verdict)
                case Challenged(message, prompt, state):
                    return Challenged(message, prompt, _Round(realm.name, state))
                case _:
                    return verdict
        return Unavailable(
            "; ".join(verdict.reason for verdict in silent) or "no realm is configured",
            "; ".join(verdict.remedy for verdict in silent if verdict.remedy),
        )
