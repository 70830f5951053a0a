"""What the local realm says, and what it says only to the administrator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from appliance.auth.local import Account, AccountsUnavailable, LocalRealm
from appliance.auth.remembered_passwords import RememberedPasswords
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Unknown, Verdict
from appliance.policy.attributes import AccessPolicy
from ike_engine.secret import Secret

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Table:
    """Accounts as a table of a test."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.name: account for account in accounts}
        self.down = False
        self.changed: list[tuple[str, str, str]] = []
        self.refuses: str | AccountsUnavailable = ""

    async def find(self, username: str) -> Account | None:
        if self.down:
            raise AccountsUnavailable("database is locked")
        return self.accounts.get(username)

    async def change_password(self, username: str, password: str, source: str) -> str:
        if isinstance(self.refuses, AccountsUnavailable):
            raise self.refuses
        if not self.refuses:
            self.changed.append((username, password, source))
        return self.refuses


ALICE = Account(key=7, name="alice", password_hash=HASHER.hash("s3cret"), enabled=True, expires_at=None)
DISABLED = replace(ALICE, enabled=False)


def attempt(username: str = "alice", password: bytes = b"s3cret") -> Attempt:
    return Attempt(username=username, password=Secret(password), source="198.51.100.7", profile="remote access")


@pytest.fixture
def remembered() -> RememberedPasswords:
    return RememberedPasswords()


def realm(remembered: RememberedPasswords, *accounts: Account) -> LocalRealm:
    return LocalRealm(Table(*accounts), remembered, wall_clock=lambda: NOW)


async def test_the_right_password_is_accepted_under_the_canonical_name(remembered: RememberedPasswords) -> None:
    verdict = await realm(remembered, ALICE).authenticate(attempt())
    assert verdict == Accepted("alice", Claim(realm="local", account=7))


@pytest.mark.parametrize(
    ("account", "login", "words"),
    [
        (ALICE, ("alice", b"wrong"), "wrong password"),
        (ALICE, ("nobody", b"s3cret"), "unknown user"),
        (DISABLED, ("alice", b"s3cret"), "disabled"),
        (DISABLED, ("alice", b"wrong"), "disabled"),
        (replace(ALICE, expires_at=NOW), ("alice", b"s3cret"), "expired on 2026-11-23 12:00 UTC"),
        (replace(ALICE, expires_at=NOW - timedelta(days=1)), ("alice", b"wrong"), "expired"),
    ],
)
async def test_refusals_say_why_and_cost_the_same_each_time(
    remembered: RememberedPasswords, argon2_work: list[str], account: Account, login: tuple[str, bytes], words: str
) -> None:
    judge = realm(remembered, account)
    for round_number in (1, 2):
        verdict = await judge.authenticate(attempt(*login))
        assert isinstance(verdict, Unknown if login[0] == "nobody" else Rejected)
        assert words in verdict.reason
        assert verdict.remedy
        assert len(argon2_work) == round_number


async def test_a_user_is_let_in_until_the_moment_of_expiry(remembered: RememberedPasswords) -> None:
    verdict = await realm(remembered, replace(ALICE, expires_at=NOW + timedelta(seconds=1))).authenticate(attempt())
    assert isinstance(verdict, Accepted)


async def test_a_disabled_user_is_refused_although_the_password_was_remembered(
    remembered: RememberedPasswords, argon2_work: list[str]
) -> None:
    table = Table(ALICE)
    judge = LocalRealm(table, remembered, wall_clock=lambda: NOW)
    assert isinstance(await judge.authenticate(attempt()), Accepted)
    table.accounts["alice"] = DISABLED
    assert isinstance(await judge.authenticate(attempt()), Rejected)
    assert len(argon2_work) == 2


async def test_a_new_password_ends_the_old_one_at_once(remembered: RememberedPasswords) -> None:
    table = Table(ALICE)
    judge = LocalRealm(table, remembered, wall_clock=lambda: NOW)
    assert isinstance(await judge.authenticate(attempt()), Accepted)
    table.accounts["alice"] = replace(ALICE, password_hash=HASHER.hash("n3w"))
    assert isinstance(await judge.authenticate(attempt()), Rejected)
    assert isinstance(await judge.authenticate(attempt(password=b"n3w")), Accepted)


async def test_a_database_that_is_away_is_not_the_users_fault(remembered: RememberedPasswords) -> None:
    table = Table(ALICE)
    table.down = True
    verdict = await LocalRealm(table, remembered).authenticate(attempt())
    assert isinstance(verdict, Unavailable)
    assert "database is locked" in verdict.reason


# ---- a password that must be changed ----

MUST_CHANGE = replace(ALICE, must_change_password=True, group="staff", policy=AccessPolicy(banner="Hello"))
NEW = b"correct donkey battery"


async def answers(judge: LocalRealm, *typed: bytes) -> Verdict:
    """Log in and type these, one a round; gives the last verdict."""
    verdict = await judge.authenticate(attempt())
    for answer in typed:
        assert isinstance(verdict, Challenged), verdict
        assert verdict.prompt == "next-pin"
        verdict = await judge.authenticate(replace(attempt(), answer=Secret(answer), state=verdict.state))
    return verdict


async def test_a_login_that_must_change_the_password_is_good_along_with_a_new_one(
    remembered: RememberedPasswords,
) -> None:
    table = Table(MUST_CHANGE)
    judge = LocalRealm(table, remembered, wall_clock=lambda: NOW)
    asked = await answers(judge)
    assert isinstance(asked, Challenged)
    assert asked.message == "Your password must be changed. New password:"
    assert NEW.decode() not in repr(await answers(judge, NEW))
    claim = Claim(realm="local", account=7, group="staff", policy=AccessPolicy(banner="Hello"))
    assert await answers(judge, NEW, NEW) == Accepted("alice", claim)
    assert table.changed == [("alice", NEW.decode(), "198.51.100.7")]


async def test_a_wrong_password_is_not_asked_for_a_new_one(remembered: RememberedPasswords) -> None:
    judge = LocalRealm(Table(MUST_CHANGE), remembered, wall_clock=lambda: NOW)
    assert isinstance(await judge.authenticate(attempt(password=b"wrong")), Rejected)
    forged = replace(attempt(password=b"wrong"), answer=Secret(NEW), state=(await answers(judge)).state)
    assert isinstance(await judge.authenticate(forged), Rejected)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([b"short"], "Not good enough: it has fewer than 10 characters. New password:"),
        ([b"s3cret"], "Not good enough: it is the old one. New password:"),
        ([NEW, b"correct donkey batterie"], "The two are not the same. New password:"),
        ([NEW], "The new password again:"),
    ],
)
async def test_what_is_not_good_enough_is_asked_for_again(
    remembered: RememberedPasswords, typed: list[bytes], words: str
) -> None:
    table = Table(MUST_CHANGE)
    verdict = await answers(LocalRealm(table, remembered, wall_clock=lambda: NOW), *typed)
    assert isinstance(verdict, Challenged)
    assert verdict.message == words
    assert table.changed == []


async def test_it_ends_some_time(remembered: RememberedPasswords) -> None:
    verdict = await answers(LocalRealm(Table(MUST_CHANGE), remembered, wall_clock=lambda: NOW), *[b"short"] * 4)
    assert isinstance(verdict, Rejected)
    assert "found none that is good enough" in verdict.reason


async def test_where_clients_cannot_ask_the_administrator_reads_what_to_do(remembered: RememberedPasswords) -> None:
    judge = LocalRealm(Table(MUST_CHANGE), remembered, wall_clock=lambda: NOW)
    verdict = await judge.authenticate(replace(attempt(), prompts=False))
    assert isinstance(verdict, Rejected)
    assert "must change the password first" in verdict.reason
    assert "self-service" in verdict.remedy


async def test_a_password_that_cannot_be_kept_is_the_databases_fault(remembered: RememberedPasswords) -> None:
    table = Table(MUST_CHANGE)
    table.refuses = AccountsUnavailable("disk full")
    verdict = await answers(LocalRealm(table, remembered, wall_clock=lambda: NOW), NEW, NEW)
    assert isinstance(verdict, Unavailable)
    table.refuses = "it was used before"
    again = await answers(LocalRealm(table, remembered, wall_clock=lambda: NOW), NEW, NEW)
    assert isinstance(again, Challenged)
    assert "it was used before" in again.message


async def test_a_test_of_the_realm_says_what_a_login_would(remembered: RememberedPasswords) -> None:
    table = Table(replace(MUST_CHANGE, must_change_password=False))
    judge = LocalRealm(table, remembered, wall_clock=lambda: NOW)
    assert judge.health.state == "unknown"
    passed = await judge.test(attempt())
    assert (passed.passed, passed.words) == (True, "'alice' may come in")
    failed = await judge.test(attempt(password=b"wrong"))
    assert (failed.passed, failed.remedy.startswith("if the user forgot it")) == (False, True)
    assert (await judge.test(None)).words == "the users can be read"
    assert judge.health.state == "ok"
    table.down = True
    assert (await judge.test(None)).words == "the users cannot be read: database is locked"
    await judge.authenticate(attempt())
    assert (judge.health.state, judge.health.since) == ("down", NOW)
