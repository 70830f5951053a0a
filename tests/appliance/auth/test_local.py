"""What the local realm says, and what it says only to the administrator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from appliance.auth.local import Account, AccountsUnavailable, LocalRealm
from appliance.auth.remembered_passwords import RememberedPasswords
from appliance.auth.verdicts import Accepted, Attempt, Claim, Rejected, Unavailable
from ike_engine.secret import Secret

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Table:
    """Accounts as a table of a test."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.name: account for account in accounts}
        self.down = False

    async def find(self, username: str) -> Account | None:
        if self.down:
            raise AccountsUnavailable("database is locked")
        return self.accounts.get(username)


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
        assert isinstance(verdict, Rejected)
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
