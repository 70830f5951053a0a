"""In which order realms are asked, and who waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from appliance.auth.chain import Chain
from appliance.auth.realm import RealmHealth, RealmTest
from appliance.auth.throttle import Throttle
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Unknown, Verdict
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

IN = Accepted("alice", Claim(realm="second"))
OUT = Rejected("wrong password for 'alice'")
DOWN = Unavailable("the server does not answer", "start it")
NOBODY = Unknown("unknown user 'alice'", "coati user add alice")


class Scripted:
    """A realm that says what the test tells it to."""

    def __init__(self, name: str, *verdicts: Verdict) -> None:
        self.name = name
        self.verdicts = list(verdicts)
        self.asked: list[Attempt] = []
        self.health = RealmHealth()

    async def test(self, attempt: Attempt | None) -> RealmTest:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def authenticate(self, attempt: Attempt) -> Verdict:
        self.asked.append(attempt)
        return self.verdicts.pop(0)


class Time:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def chain(realms: Sequence[Scripted], time: Time | None = None) -> Chain:
    time = time or Time()
    return Chain(realms, Throttle(time), sleep=time.sleep, clock=time.monotonic)


ATTEMPT = Attempt(username="alice", password=Secret(b"s3cret"), source="198.51.100.7", profile="p")


async def test_a_rejection_stops_the_chain_and_says_whose_it_is() -> None:
    first, second = Scripted("first", OUT), Scripted("second", IN)
    assert await chain([first, second]).authenticate(ATTEMPT) == replace(OUT, realm="first")
    assert second.asked == []


async def test_a_realm_that_is_down_is_passed_over() -> None:
    first, second = Scripted("first", DOWN), Scripted("second", IN)
    assert await chain([first, second]).authenticate(ATTEMPT) == IN


async def test_when_all_are_down_the_administrator_reads_why() -> None:
    verdict = await chain([Scripted("first", DOWN), Scripted("second", DOWN)]).authenticate(ATTEMPT)
    assert verdict == Rejected("the server does not answer; the server does not answer", "start it", "second")


async def test_who_is_unknown_to_one_realm_is_the_next_ones() -> None:
    first, second, third = Scripted("first", NOBODY), Scripted("second", IN), Scripted("third")
    assert await chain([first, second, third]).authenticate(ATTEMPT) == IN
    assert [len(realm.asked) for realm in (first, second, third)] == [1, 1, 0]


async def test_who_is_unknown_to_the_only_realm_is_refused_in_its_words() -> None:
    verdict = await chain([Scripted("first", NOBODY)]).authenticate(ATTEMPT)
    assert verdict == Rejected("unknown user 'alice'", "coati user add alice", "first")


async def test_a_refusal_says_which_realms_were_asked_and_is_the_last_ones() -> None:
    verdict = await chain([Scripted("first", NOBODY), Scripted("second", OUT)]).authenticate(ATTEMPT)
    assert verdict == Rejected("unknown user 'alice' in realm 'first'; wrong password for 'alice'", "", "second")
    verdict = await chain([Scripted("first", NOBODY), Scripted("second", NOBODY)]).authenticate(ATTEMPT)
    assert verdict == Rejected(
        "unknown user 'alice' in realm 'first'; unknown user 'alice' in realm 'second'",
        "coati user add alice",
        "second",
    )


@pytest.mark.parametrize("verdicts", [(NOBODY, DOWN), (DOWN, NOBODY)])
async def test_who_may_be_known_to_a_realm_that_is_down_did_nothing_wrong(verdicts: tuple[Verdict, Verdict]) -> None:
    time = Time()
    realms = [Scripted(f"{type(verdict).__name__}", *[verdict] * 5) for verdict in verdicts]
    asked = chain(realms, time)
    for _ in range(5):
        verdict = await asked.judge(ATTEMPT)
        assert isinstance(verdict, Unavailable)
        assert (verdict.realm, DOWN.reason in verdict.reason) == ("Unavailable", True)
        assert "unknown user 'alice' in realm 'Unknown'" in verdict.reason
        assert verdict.remedy == "start it"
    assert set(time.slept) == {2.5}, "no failure was counted: nothing but the time of every refusal"


async def test_a_login_that_two_realms_did_not_take_is_one_failure() -> None:
    time = Time()
    throttle = Throttle(time)
    await Chain([Scripted("first", NOBODY), Scripted("second", OUT)], throttle, sleep=time.sleep).authenticate(ATTEMPT)
    assert {record.failures for record in throttle.take_changes().values()} == {1}


async def test_who_names_a_realm_that_does_not_know_the_user_is_sent_to_no_other() -> None:
    first, second = Scripted("first", NOBODY), Scripted("second", IN)
    verdict = await chain([first, second]).authenticate(replace(ATTEMPT, username="alice@first"))
    assert verdict == Rejected("unknown user 'alice'", "coati user add alice", "first")
    assert second.asked == []


async def test_a_user_who_is_removed_between_two_rounds_becomes_nobody_elses() -> None:
    first, second = Scripted("first", Challenged("New password?", "next-pin", "state"), NOBODY), Scripted("second", IN)
    asked = chain([first, second])
    challenge = await asked.authenticate(ATTEMPT)
    assert isinstance(challenge, Challenged)
    verdict = await asked.authenticate(replace(ATTEMPT, answer=Secret(b"1"), state=challenge.state))
    assert isinstance(verdict, Rejected)
    assert second.asked == []


async def test_the_time_of_a_refusal_does_not_tell_which_realm_knows_the_user() -> None:
    time = Time()

    class Far(Scripted):
        """Takes its time, as a server elsewhere does."""

        async def authenticate(self, attempt: Attempt) -> Verdict:
            time.now += timedelta(seconds=1.2)
            return await super().authenticate(attempt)

    took = []
    for verdict in (OUT, NOBODY):
        began = time.now
        await chain([Scripted("first", verdict), Far("second", OUT)], time).authenticate(ATTEMPT)
        took.append(round((time.now - began).total_seconds(), 3))
    assert took == [2.5, 2.5]
    time.slept.clear()
    await chain([Scripted("first", OUT), Far("second")], time).authenticate(replace(ATTEMPT, username="alice@first"))
    await chain([Scripted("first", OUT)], time).authenticate(ATTEMPT)
    await chain([Scripted("first", NOBODY), Far("second", IN)], time).authenticate(ATTEMPT)
    assert time.slept == [], "where one realm alone is asked nothing is to be hidden, and who comes in does not wait"


async def test_no_realm_at_all_is_a_refusal() -> None:
    refused = await chain([]).authenticate(ATTEMPT)
    assert refused == Rejected("no realm is in force: nobody can log in", "coati realm list")


@pytest.mark.parametrize("login", ["alice@Corp", "CORP\\alice"])
async def test_a_user_who_names_a_realm_is_judged_by_it_alone(login: str) -> None:
    first, corp = Scripted("first", IN), Scripted("corp", DOWN)
    verdict = await chain([first, corp]).authenticate(replace(ATTEMPT, username=login))
    assert verdict == Rejected("the server does not answer", "start it", "corp")
    assert first.asked == []
    (asked,) = corp.asked
    assert (asked.username, asked.login) == ("alice", login)


@pytest.mark.parametrize("login", ["alice@example.org", "HOME\\alice", "@corp", "corp\\", "alice"])
async def test_what_names_no_realm_is_part_of_the_users_name(login: str) -> None:
    corp = Scripted("corp", IN)
    assert await chain([corp]).authenticate(replace(ATTEMPT, username=login)) == IN
    assert (corp.asked[0].username, corp.asked[0].login) == (login, login)


async def test_a_profile_chooses_its_realms_and_their_order() -> None:
    first, second, third = Scripted("first"), Scripted("second", IN), Scripted("third", DOWN)
    verdict = await chain([first, second, third]).authenticate(replace(ATTEMPT, realms=("third", "second")))
    assert verdict == IN
    assert (len(first.asked), len(third.asked)) == (0, 1)


async def test_a_realm_that_the_profile_does_not_take_is_refused_by_name() -> None:
    first, second = Scripted("first", IN), Scripted("second", IN)
    attempt = replace(ATTEMPT, username="alice@second", realms=("first",))
    verdict = await chain([first, second]).authenticate(attempt)
    assert isinstance(verdict, Rejected)
    assert "'second'" in verdict.reason
    assert verdict.remedy == "if it shall: coati profile set p --realm first --realm second"
    assert second.asked == []


async def test_a_realm_that_is_disabled_is_refused_by_name() -> None:
    asked = chain([])
    asked.reconfigure([Scripted("first", IN)], disabled=["corp"])
    verdict = await asked.authenticate(replace(ATTEMPT, username="alice@corp"))
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.remedy) == (
        "'alice@corp' asks for realm 'corp', which is disabled",
        "to let its users in again: coati realm set corp --enable",
    )


async def test_a_profile_whose_realms_are_all_gone_is_a_refusal_that_says_so() -> None:
    verdict = await chain([Scripted("first", IN)]).authenticate(replace(ATTEMPT, realms=("corp",)))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "none of the realms of profile 'p' is in force: corp"


async def test_a_round_goes_on_in_the_realm_that_was_named() -> None:
    first, corp = Scripted("first"), Scripted("corp", Challenged("Code?", "passcode", "state"), IN)
    asked = chain([first, corp])
    attempt = replace(ATTEMPT, username="alice@corp")
    challenge = await asked.authenticate(attempt)
    assert isinstance(challenge, Challenged)
    assert await asked.authenticate(replace(attempt, answer=Secret(b"1"), state=challenge.state)) == IN
    assert [each.username for each in corp.asked] == ["alice", "alice"]


async def test_two_hundred_logins_that_wait_for_a_slow_realm_keep_nobody_of_another_realm_waiting() -> None:
    class Slow(Scripted):
        """Answers when the test says so."""

        def __init__(self) -> None:
            super().__init__("slow")
            self.answers = asyncio.Event()
            self.all_asked = asyncio.Event()

        async def authenticate(self, attempt: Attempt) -> Verdict:
            self.asked.append(attempt)
            if len(self.asked) == 200:
                self.all_asked.set()
            await self.answers.wait()
            return IN

    slow, fast = Slow(), Scripted("fast", *[IN] * 200)
    asked = chain([slow, fast])
    waiting = [
        asyncio.create_task(asked.authenticate(replace(ATTEMPT, username=f"user{number}@slow")))
        for number in range(200)
    ]
    await slow.all_asked.wait()
    for number in range(200):
        assert await asked.authenticate(replace(ATTEMPT, username=f"user{number}@fast")) == IN
    assert not any(task.done() for task in waiting)
    slow.answers.set()
    assert await asyncio.gather(*waiting) == [IN] * 200


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


async def test_the_password_alone_forgives_nothing_where_more_is_to_be_shown() -> None:
    time = Time()
    throttle = Throttle(time)
    asked = Chain([Scripted("only", OUT, IN, IN)], throttle, sleep=time.sleep)

    async def left(attempt: Attempt) -> set[int]:
        await asked.authenticate(attempt)
        return {record.failures for record in throttle._records.values()}

    assert await left(ATTEMPT) == {1}
    assert await left(replace(ATTEMPT, password_only=True)) == {1}
    assert 0 in await left(ATTEMPT)


async def test_a_long_series_is_refused_without_asking_any_realm() -> None:
    time = Time()
    realm = Scripted("only", *[OUT] * 8)
    asked = Chain([realm], throttle := Throttle(time), sleep=time.sleep)
    for _ in range(6):
        throttle.failed("alice", "198.51.100.7")
    assert throttle.reserve("alice", "198.51.100.7") == 8.0  # an attempt at the same time took the place
    verdict = await asked.authenticate(ATTEMPT)
    assert isinstance(verdict, Rejected)
    assert "too many failed logins" in verdict.reason
    assert realm.asked == []


async def test_of_many_guesses_at_once_few_are_judged_though_the_realm_takes_its_time_to_refuse() -> None:
    class Patient(Scripted):
        """Lets in at once, and refuses when the test says so, as PAM and RADIUS do."""

        def __init__(self) -> None:
            super().__init__("patient")
            self.refuses = asyncio.Event()

        async def authenticate(self, attempt: Attempt) -> Verdict:
            self.asked.append(attempt)
            if attempt.password == b"right":
                return IN
            await self.refuses.wait()
            return OUT

    realm = Patient()
    asked = chain([realm])
    guesses = [Secret(b"wrong")] * 100 + [Secret(b"right")]
    names = ("alice", " ALICE")  # however it is written
    attempts = [
        asyncio.create_task(asked.authenticate(replace(ATTEMPT, username=names[number % 2], password=guess)))
        for number, guess in enumerate(guesses)
    ]
    await asyncio.sleep(0)
    assert await asked.authenticate(replace(ATTEMPT, username="bob", password=Secret(b"right"))) == IN
    realm.refuses.set()
    verdicts = await asyncio.gather(*attempts)
    assert len(realm.asked) <= 30
    assert IN not in verdicts


async def test_a_realm_that_is_down_is_not_counted_against_the_user() -> None:
    time = Time()
    asked = chain([Scripted("only", *[DOWN] * 10)], time)
    for _ in range(10):
        await asked.authenticate(ATTEMPT)
    assert time.slept == []
