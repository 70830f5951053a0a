"""The local realm: users of this appliance's own database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Protocol

from appliance.auth.realm import Health, RealmHealth, RealmTest
from appliance.auth.verdicts import Accepted, Attempt, Claim, Rejected, Unavailable, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.auth.remembered_passwords import RememberedPasswords


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the realm has to know of a local user.

    Attributes:
        key: Primary key of the row.
        name: Canonical name.
        password_hash: Argon2, in the encoded form.
        enabled: An administrator may switch a user off.
        expires_at: Aware; from this moment on the user is refused; ``None``: never.
    """

    key: int
    name: str
    password_hash: str
    enabled: bool
    expires_at: datetime | None


class AccountsUnavailable(Exception):
    """The accounts cannot be read now."""


class Accounts(Protocol):
    """Where the local users are."""

    async def find(self, username: str) -> Account | None:
        """Give the user of this name as it is now.

        Raises:
            AccountsUnavailable: nobody can tell now.
        """


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LocalRealm:
    """Judges by the users table.

    A user who is unknown, disabled or expired costs the same argon2 work as a wrong password.

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
        """Judge the one round that a password takes."""
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
        return Accepted(account.name, Claim(realm=self.name, account=account.key))

    def _refusal(self, name: str, account: Account | None) -> Rejected | None:
        """Say why this account may not log in whatever the password is."""
        if account is None:
            return Rejected(f"unknown user {name!r}", f"if this is a new user: coati user add {quote(name)}")
        if not account.enabled:
            return Rejected(f"user {name!r} is disabled", f"to let the user in again: coati user enable {quote(name)}")
        if account.expires_at is not None and account.expires_at <= self._wall_clock():
            return Rejected(
                f"user {name!r} expired on {account.expires_at:%Y-%m-%d %H:%M} UTC",
                "give the user a later expiry date",
            )
        return None
