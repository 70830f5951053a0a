"""The local realm: users of this appliance's own database."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Final, Protocol

from appliance import passwords
from appliance.auth.realm import Health, RealmHealth, RealmTest
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Unknown, Verdict
from appliance.policy.attributes import NOTHING_SAID, AccessPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.auth.remembered_passwords import RememberedPasswords
    from ike_engine.secret import Secret

_NEW_PASSWORD: Final = "next-pin"  # noqa: S105  the prompt
_MOST_CHOICES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the realm has to know of a local user.

    Attributes:
        key: Primary key of the row.
        name: Canonical name.
        password_hash: Argon2, in the encoded form.
        enabled: An administrator may switch a user off.
        expires_at: Aware; from this moment on the user is refused; ``None``: never.
        must_change_password: The login is only good along with a new password.
        group: Whose policy holds; empty: none.
        policy: What is said for this user.
    """

    key: int
    name: str
    password_hash: str
    enabled: bool
    expires_at: datetime | None
    must_change_password: bool = False
    group: str = ""
    policy: AccessPolicy = NOTHING_SAID


class AccountsUnavailable(Exception):
    """The accounts cannot be read now."""


class Accounts(Protocol):
    """Where the local users are."""

    async def find(self, username: str) -> Account | None:
        """Give the user of this name as it is now.

        Raises:
            AccountsUnavailable: nobody can tell now.
        """

    async def change_password(self, username: str, password: str, source: str) -> str:
        """Set the password that a user chose; give why not, or nothing when it is set.

        Args:
            username: Canonical name.
            password: The new one.
            source: Where the user is, for the record.

        Raises:
            AccountsUnavailable: it cannot be written now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """How far a user is with a new password.

    Attributes:
        first: What was typed the first time, until it is typed again.
        refused: How often it was not good enough, or the two were not the same.
    """

    first: Secret | None = None
    refused: int = 0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LocalRealm:
    """Judges by the users table.

    A user who is unknown, disabled or expired costs the same argon2 work as a wrong password. One who is
    unknown may be another realm's: that is for the chain.

    Args:
        accounts: Where the users are.
        passwords: Verifies passwords.
        name: As the administrator calls it.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        accounts: Accounts,
        passwords: RememberedPasswords,
        *,
        name: str = "local",
        wall_clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.name = name
        self._accounts = accounts
        self._passwords = passwords
        self._wall_clock = wall_clock
        self._health = Health(wall_clock)

    @property
    def health(self) -> RealmHealth:
        """Whether the users could be read."""
        return self._health.now

    async def test(self, attempt: Attempt | None) -> RealmTest:
        """Judge a login, or see whether the users can be read."""
        started = time.perf_counter()
        if attempt is not None:
            return RealmTest.of(await self.authenticate(attempt), time.perf_counter() - started)
        try:
            await self._accounts.find("nobody")
        except AccountsUnavailable as failure:
            return RealmTest(passed=False, words=f"the users cannot be read: {failure}", remedy="coati doctor")
        return RealmTest(passed=True, words="the users can be read", round_trip_seconds=time.perf_counter() - started)

    async def close(self) -> None:
        """It holds nothing of its own."""

    async def authenticate(self, attempt: Attempt) -> Verdict:
        """Judge the one round that a password takes, or those in which a new one is chosen."""
        name = attempt.username
        try:
            account = await self._accounts.find(name)
        except AccountsUnavailable as failure:
            self._health.down(f"the users cannot be read: {failure}")
            return Unavailable(f"realm {self.name!r}: the users cannot be read: {failure}", "coati doctor")
        self._health.ok()
        refusal = self._refusal(name, account)
        good = await self._passwords.verify(
            account.name if account else name,
            account.password_hash if account else None,
            attempt.password,
            remember=refusal is None,
        )
        if refusal is not None:
            return refusal
        if not good or account is None:
            return Rejected(
                f"wrong password for {name!r}",
                f"if the user forgot it, set a new one: coati user password {quote(name)}",
            )
        if isinstance(attempt.state, _Change) and attempt.answer is not None:
            return await self._choose(account, attempt, attempt.state, attempt.answer)
        if account.must_change_password:
            return self._ask_for_another(account, attempt)
        return self._accept(account)

    def _accept(self, account: Account) -> Accepted:
        return Accepted(
            account.name,
            Claim(
                realm=self.name,
                account=account.key,
                group=account.group,
                policy=account.policy,
                expires_at=account.expires_at,
            ),
        )

    def _ask_for_another(self, account: Account, attempt: Attempt) -> Verdict:
        if attempt.prompts:
            return Challenged("Your password must be changed. New password:", _NEW_PASSWORD, _Change())
        return Rejected(
            f"user {account.name!r} must change the password first, and clients of profile {attempt.profile!r} "
            "cannot ask for a new one",
            "the user can choose one on the panel's self-service page; "
            f"or let it be: coati user set {quote(account.name)} --need-not-change",
        )

    async def _choose(self, account: Account, attempt: Attempt, change: _Change, answer: Secret) -> Verdict:
        """Take the new password, typed twice."""
        chosen = passwords.normalise(answer)
        if change.first is None:
            weakness = passwords.weakness(chosen.decode(), account.name)
            if chosen == passwords.normalise(attempt.password):
                weakness = "it is the old one"
            if weakness:
                return self._again(account, change, f"Not good enough: {weakness}.")
            return Challenged("The new password again:", _NEW_PASSWORD, replace(change, first=chosen))
        if chosen != change.first:
            return self._again(account, change, "The two are not the same.")
        try:
            refused = await self._accounts.change_password(account.name, chosen.decode(), attempt.source)
        except AccountsUnavailable as failure:
            self._health.down(f"the users cannot be changed: {failure}")
            return Unavailable(f"realm {self.name!r}: the new password cannot be kept: {failure}", "coati doctor")
        return self._again(account, change, f"Not good enough: {refused}.") if refused else self._accept(account)

    @staticmethod
    def _again(account: Account, change: _Change, why: str) -> Verdict:
        if change.refused + 1 >= _MOST_CHOICES:
            return Rejected(
                f"user {account.name!r} must change the password, and found none that is good enough. {why}",
                f"set one: coati user password {quote(account.name)}",
            )
        return Challenged(f"{why} New password:", _NEW_PASSWORD, _Change(refused=change.refused + 1))

    def _refusal(self, name: str, account: Account | None) -> Rejected | Unknown | None:
        """Say why this account may not log in whatever the password is."""
        if account is None:
            return Unknown(f"unknown user {name!r}", f"if this is a new user: coati user add {quote(name)}")
        if not account.enabled:
            return Rejected(f"user {name!r} is disabled", f"to let the user in again: coati user enable {quote(name)}")
        if account.expires_at is not None and account.expires_at <= self._wall_clock():
            return Rejected(
                f"user {name!r} expired on {account.expires_at:%Y-%m-%d %H:%M} UTC",
                f"give a later date: coati user set {quote(name)} --expires YYYY-MM-DD",
            )
        return None
