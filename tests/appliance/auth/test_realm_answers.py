"""What realms answered, counted by realm and result, with the time it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.auth.realm_answers import RealmAnswers
from appliance.auth.verdicts import Accepted, Challenged, Claim, Rejected, Unavailable

if TYPE_CHECKING:
    from appliance.auth.verdicts import Verdict


@dataclass
class Scripted:
    name: str
    verdicts: list[Verdict]
    takes: float = 0.0


async def test_answers_are_counted_by_realm_and_result() -> None:
    now = 100.0

    async def judge(realm: Any, _: Any) -> Verdict:
        nonlocal now
        now += realm.takes
        return realm.verdicts.pop(0)

    answers = RealmAnswers(judge, clock=lambda: now)
    attempt: Any = None
    accepted, challenged = Accepted("ada", Claim(realm="corp")), Challenged("code?", "passcode", None)
    fast: Any = Scripted("local", [Rejected("no"), Rejected("no"), accepted], takes=0.02)
    slow: Any = Scripted("corp", [challenged, Unavailable("down", "")], takes=3.0)
    for realm in (fast, fast, fast, slow, slow):
        verdicts = list(realm.verdicts)
        assert await answers.judge(realm, attempt) is verdicts[0]
    counted = answers.as_counters()
    assert counted["local"]["results"] == {"rejected": 2, "accepted": 1}
    assert counted["corp"]["results"] == {"challenged": 1, "unavailable": 1}
    assert counted["corp"]["seconds"]["sum"] == 6.0
    assert sum(counted["local"]["seconds"]["counts"]) == 3
