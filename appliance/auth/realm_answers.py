"""Counts what realms answer, and how long it takes them: for metrics."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from appliance.auth.verdicts import Accepted, Challenged, Rejected, Unavailable, Unknown
from appliance.metrics.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from appliance.auth.realm import Realm
    from appliance.auth.verdicts import Attempt, Verdict

_RESULTS: Final = {
    Accepted: "accepted",
    Rejected: "rejected",
    Challenged: "challenged",
    Unavailable: "unavailable",
    Unknown: "unknown",
}


class RealmAnswers:
    """Has realms judge, and counts; ``judge`` is what the chain takes for its own.

    Args:
        judge: Has one realm judge one round of a login.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        judge: Callable[[Realm, Attempt], Awaitable[Verdict]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._clock = clock
        self._results: dict[str, Counter[str]] = {}
        self._seconds: dict[str, Histogram] = {}

    async def judge(self, realm: Realm, attempt: Attempt) -> Verdict:
        """Have ``realm`` judge, and take the time."""
        began = self._clock()
        verdict = await self._judge(realm, attempt)
        self._seconds.setdefault(realm.name, Histogram()).observe(self._clock() - began)
        self._results.setdefault(realm.name, Counter())[_RESULTS[type(verdict)]] += 1
        return verdict

    def as_counters(self) -> dict[str, dict[str, Any]]:
        """Give plain values by realm, since the start."""
        return {
            realm: {"results": dict(results), "seconds": self._seconds[realm].as_counters()}
            for realm, results in self._results.items()
        }
