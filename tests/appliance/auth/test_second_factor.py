"""When a code is demanded, how it is asked for, and that no way leads round it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pyotp
import pytest

from appliance.auth.chain import Chain
from appliance.auth.realm import RealmHealth, RealmTest
from appliance.auth.second_factor import Factor, FactorsUnavailable, OneTimeCodes
from appliance.auth.throttle import Throttle
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Verdict
from appliance.policy.attributes import SecondFactor
from ike_engine.secret import Secret
from tests.appliance.gateway.recording import Time

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = pyotp.random_base32()
PASSWORD = "correct horse"
FACTOR = Factor(key=1, seed=Secret(SEED.encode()), last_step=0)
ATTEMPT = Attempt(username="alice", password=Secret(PASSWORD.encode()), source="198.51.100.7", profile="p")


class Passwords:
    """A realm with one password for everybody."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self.health = RealmHealth()

    async def test(self, attempt: Attempt | None) -> RealmTest:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def authenticate(self, attempt: Attempt) -> Verdict:
        if attempt.password != PASSWORD.encode():
            return Rejected("wrong password")
        return Accepted(attempt.username.lower(), Claim(realm=self.name))


class Aliases(Passwords):
    """A realm that knows everybody by another name as well, and says which is the right one."""

    async def authenticate(self, attempt: Attempt) -> Verdict:
        verdict = await super().authenticate(attempt)
        return replace(verdict, user="Alice") if isinstance(verdict, Accepted) else verdict


class InMemory:
    """Second factors of the realm ``local``."""

    def __init__(self, *users: str) -> None:
        self.users = users
        self.taken: list[str] = []
        self.away = False

    async def find(self, realm: str, user: str) -> Factor | None:
        if self.away:
            raise FactorsUnavailable("no disk")
        return FACTOR if realm == "local" and user in self.users else None

    async def spend(self, factor: Factor, code: str) -> bool:
        if self.away:
            raise FactorsUnavailable("no disk")
        good = factor is FACTOR and code == self.code and code not in self.taken
        self.taken.append(code)
        return good

    @property
    def code(self) -> str:
        return pyotp.TOTP(SEED).at(Time().wall())


def chain(
    factors: InMemory, demand: SecondFactor = SecondFactor.ENROLLED, realms: Sequence[Passwords] = (Passwords(),)
) -> Chain:
    codes = OneTimeCodes(factors, lambda *_: demand, Time().wall)

    async def at_once(_seconds: float) -> None:
        pass

    return Chain(realms, Throttle(Time().wall), judge=codes.judge, sleep=at_once)


def behind(code: str, password: str = PASSWORD) -> Secret:
    return Secret((password + code).encode())


async def test_who_is_enrolled_is_asked_for_the_code_in_a_round_of_its_own() -> None:
    factors = InMemory("alice")
    asked = chain(factors)
    challenge = await asked.authenticate(ATTEMPT)
    assert isinstance(challenge, Challenged)
    assert challenge.prompt == "passcode"
    answered = replace(ATTEMPT, state=challenge.state, answer=Secret(factors.code.encode()))
    verdict = await asked.authenticate(answered)
    assert verdict == Accepted("alice", Claim(realm="local"))
    assert isinstance(await asked.authenticate(answered), Rejected)  # the same code again


@pytest.mark.parametrize("answer", [b"", b"000000", b"\xff\xfe"])
async def test_a_wrong_code_is_a_failed_login(answer: bytes) -> None:
    asked = chain(InMemory("alice"))
    challenge = await asked.authenticate(ATTEMPT)
    assert isinstance(challenge, Challenged)
    refused = await asked.authenticate(replace(ATTEMPT, state=challenge.state, answer=Secret(answer)))
    assert isinstance(refused, Rejected)
    assert "wrong one-time code" in refused.reason


async def test_guessing_codes_is_slowed_down_although_the_password_is_right() -> None:
    asked = chain(InMemory("alice"))
    for _ in range(8):
        challenge = await asked.authenticate(ATTEMPT)
        if isinstance(challenge, Challenged):
            await asked.authenticate(replace(ATTEMPT, state=challenge.state, answer=Secret(b"000000")))
    refused = await asked.authenticate(ATTEMPT)
    assert isinstance(refused, Rejected)
    assert "too many failed logins" in refused.reason


async def test_a_wrong_password_is_told_before_any_code_is_asked_for() -> None:
    refused = await chain(InMemory("alice")).authenticate(replace(ATTEMPT, password=Secret(b"wrong")))
    assert refused == Rejected("wrong password", realm="local")


@pytest.mark.parametrize("prompts", [True, False])
async def test_the_code_of_now_may_stand_behind_the_password(*, prompts: bool) -> None:
    factors = InMemory("alice")
    attempt = replace(ATTEMPT, password=behind(factors.code), prompts=prompts)
    asked = chain(factors)
    assert isinstance(await asked.authenticate(attempt), Accepted)
    assert isinstance(await asked.authenticate(attempt), Rejected)


async def test_where_nothing_may_be_asked_a_password_alone_is_not_enough() -> None:
    refused = await chain(InMemory("alice")).authenticate(replace(ATTEMPT, prompts=False))
    assert isinstance(refused, Rejected)
    assert "no one-time code behind the password" in refused.reason
    wrong = replace(ATTEMPT, password=behind("000000"), prompts=False)
    refused = await chain(InMemory("alice")).authenticate(wrong)
    assert isinstance(refused, Rejected)
    assert "wrong one-time code" in refused.reason


async def test_a_password_that_ends_in_digits_is_a_password() -> None:
    asked = chain(InMemory("alice"))
    refused = await asked.authenticate(replace(ATTEMPT, password=behind("000000")))
    assert refused == Rejected("wrong password", realm="local")


async def test_who_is_not_enrolled_gets_in_unless_it_is_required() -> None:
    assert isinstance(await chain(InMemory()).authenticate(ATTEMPT), Accepted)
    refused = await chain(InMemory(), SecondFactor.REQUIRED).authenticate(ATTEMPT)
    assert isinstance(refused, Rejected)
    assert refused.remedy == "coati user second-factor enrol alice --realm local"


@pytest.mark.parametrize("typed", ["a.liddell", r"OFFICE\alice", "alice@office.example"])
async def test_who_it_is_says_the_realm_and_no_other_name_leads_round_the_code(typed: str) -> None:
    factors = InMemory("alice")
    asked = chain(factors, realms=(Aliases(),))
    challenge = await asked.authenticate(replace(ATTEMPT, username=typed))
    assert isinstance(challenge, Challenged)
    answered = replace(ATTEMPT, username=typed, state=challenge.state, answer=Secret(factors.code.encode()))
    assert isinstance(await asked.authenticate(answered), Accepted)
    refused = await asked.authenticate(replace(ATTEMPT, username=typed, prompts=False))
    assert isinstance(refused, Rejected)
    assert refused.reason == "no one-time code behind the password of 'Alice'"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_an_accent_may_be_a_character_of_its_own(form: Literal["NFC", "NFD"]) -> None:
    asked = chain(InMemory("jörg"))
    challenge = await asked.authenticate(replace(ATTEMPT, username=unicodedata.normalize(form, "Jörg")))
    assert isinstance(challenge, Challenged)


async def test_a_code_of_the_name_that_was_typed_is_none_of_who_it_is() -> None:
    class Two(InMemory):
        """The alias has a second factor of its own, from before the server told names."""

        async def find(self, realm: str, user: str) -> Factor | None:
            found = await super().find(realm, user)
            return replace(found, key=2) if found is not None and user == "alice" else found

        async def spend(self, factor: Factor, code: str) -> bool:
            return factor.key == 1 and await super().spend(FACTOR, code)

    factors = Two("alice", "a.liddell")
    asked = chain(factors, realms=(Aliases(),))
    attempt = replace(ATTEMPT, username="a.liddell", password=behind(factors.code))
    assert isinstance(await asked.authenticate(attempt), Rejected)
    # And who is enrolled under the typed name alone is asked for that one's.
    challenge = await chain(InMemory("a.liddell"), realms=(Aliases(),)).authenticate(
        replace(ATTEMPT, username="a.liddell")
    )
    assert isinstance(challenge, Challenged)


async def test_a_code_behind_the_password_counts_for_a_name_with_its_realm_in_it() -> None:
    class WholeNames(Passwords):
        """A server that chooses by what stands behind the sign."""

        async def authenticate(self, attempt: Attempt) -> Verdict:
            return await super().authenticate(replace(attempt, username=attempt.login))

    factors = InMemory("alice@local")
    asked = chain(factors, realms=(WholeNames(),))
    attempt = replace(ATTEMPT, username="alice@local", password=behind(factors.code))
    assert await asked.authenticate(attempt) == Accepted("alice@local", Claim(realm="local"))


async def test_where_policy_says_off_nobody_is_asked() -> None:
    assert isinstance(await chain(InMemory("alice"), SecondFactor.OFF).authenticate(ATTEMPT), Accepted)


async def test_second_factors_that_cannot_be_read_let_nobody_in_not_even_by_the_next_realm() -> None:
    factors = InMemory("alice")
    asked = chain(factors, realms=(Passwords(), Passwords("next")))
    challenge = await asked.authenticate(ATTEMPT)
    assert isinstance(challenge, Challenged)
    factors.away = True
    for attempt in (ATTEMPT, replace(ATTEMPT, state=challenge.state, answer=Secret(b"123456"))):
        refused = await asked.authenticate(attempt)
        assert isinstance(refused, Rejected)
        assert "no disk" in refused.reason


def test_no_seed_is_in_a_representation() -> None:
    assert SEED not in repr(FACTOR)
