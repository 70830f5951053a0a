"""In which order realms are asked, and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.auth.chain import Chain
from appliance.auth.throttle import Throttle
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Verdict
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

IN = Accepted("alice", Claim(realm="second"))
OUT = Rejected("wrong password for 'alice'")
DOWN = Unavailable("the server does not answer", "start it")


class Scripted:
    """A realm that says what the test tells it to."""

    def __init__(self, name: str, *verdicts: Verdict) -> None:
        self.name = name
        self.verdicts = list(verdicts)
        self.asked: list[Attempt] = []

    async def authenticate(self, attempt: Attempt) -> Verdict:
        self.asked.append(attempt)
        return self.verdicts.pop(0)


class Time:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def chain(realms: Sequence[Scripted], time: Time | None = None) -> Chain:
    time = time or Time()
    return Chain(realms, Throttle(), clock=time, sleep=time.sleep)


ATTEMPT = Attempt(username="alice", password=Secret(b"s3cret"), source="198.51.100.7", profile="p")


async def test_a_rejection_stops_the_chain() -> None:
    first, second = Scripted("first", OUT), Scripted("second", IN)
    assert await chain([first, second]).authenticate(ATTEMPT) == OUT
    assert second.asked == []


async def test_a_realm_that_is_down_is_passed_over() -> None:
    first, second = Scripted("first", DOWN), Scripted("second", IN)
    assert await chain([first, second]).authenticate(ATTEMPT) == IN


async def test_when_all_are_down_the_administrator_reads_why() -> None:
    verdict = await chain([Scripted("first", DOWN), Scripted("second", DOWN)]).authenticate(ATTEMPT)
    assert verdict == Rejected("the server does not answer; the server does not answer", "start it; start it")


async def test_no_realm_at_all_is_a_refusal() -> None:
    assert await chain([]).authenticate(ATTEMPT) == Rejected("no realm is configured")


async def test_the_answer_to_a_challenge_goes_to_the_realm_that_asked() -> None:
    first = Scripted("first", DOWN)
    second = Scripted("second", Challenged("Code?", "passcode", "state-1"), IN)
    asked = chain([first, second])
    challenge = await asked.authenticate(ATTEMPT)
    assert isinstance(challenge, Challenged)
    later = Attempt(
        username="alice",
        password=Secret(b"s3cret"),
        source="198.51.100.7",
        profile="p",
        answer=Secret(b"123456"),
        state=challenge.state,
    )
    assert await asked.authenticate(later) == IN
    assert len(first.asked) == 1
    assert (second.asked[1].answer, second.asked[1].state) == (b"123456", "state-1")


async def test_failures_make_the_next_attempt_wait_and_success_ends_it() -> None:
    time = Time()
    asked = chain([Scripted("only", OUT, OUT, OUT, IN, IN)], time)
    for _ in range(5):
        await asked.authenticate(ATTEMPT)
    assert time.slept == [1.0]


async def test_a_long_series_is_refused_without_asking_any_realm() -> None:
    time = Time()
    realm = Scripted("only", *[OUT] * 8)
    asked = Chain([realm], throttle := Throttle(), clock=time, sleep=time.sleep)
    for _ in range(8):
        throttle.failed("alice", "198.51.100.7", 0.0)
    assert throttle.reserve("alice", "198.51.100.7", 0.0) == 8.0  # an attempt at the same time took the place
    verdict = await asked.authenticate(ATTEMPT)
    assert isinstance(verdict, Rejected)
    assert "too many failed logins" in verdict.reason
    assert realm.asked == []


async def test_a_realm_that_is_down_is_not_counted_against_the_user() -> None:
    time = Time()
    asked = chain([Scripted("only", *[DOWN] * 10)], time)
    for _ in range(10):
        await asked.authenticate(ATTEMPT)
    assert time.slept == []
