"""The rules of slowing guessing down, the same at every door; no clock and no database here.

Failures are counted thrice: of an account from one address, of the account wherever they come from,
and of a source network whomever they are aimed at. The first few cost nothing; each further one
doubles the wait. Time forgives one after the other.
"""

from __future__ import annotations

import enum
import functools
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final, NamedTuple, Self

_LONGEST_SUBJECT: Final = 256
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


class Door(enum.StrEnum):
    """Where somebody wants in."""

    PANEL = "panel"
    VPN = "vpn"


class Counted(enum.StrEnum):
    """Whose failures are counted."""

    LOGIN = "login"
    ACCOUNT = "account"
    SOURCE = "source"


class Subject(NamedTuple):
    """Whose failures these are.

    Attributes:
        name: An account, a network, or of a login ``address account``.
    """

    door: Door
    counted: Counted
    name: str

    def __str__(self) -> str:
        return f"{self.door}/{self.counted}/{self.name}"[:_LONGEST_SUBJECT]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read it again.

        Raises:
            ValueError: it is none.
        """
        door, counted, name = text.split("/", 2)
        return cls(Door(door), Counted(counted), name)

    @property
    def account(self) -> str:
        """The account, if it is about one."""
        match self.counted:
            case Counted.ACCOUNT:
                return self.name
            case Counted.LOGIN:
                return self.name.partition(" ")[2]
        return ""

    @property
    def source(self) -> str:
        """The address or network, if it is about one."""
        match self.counted:
            case Counted.SOURCE:
                return self.name
            case Counted.LOGIN:
                return self.name.partition(" ")[0]
        return ""


@dataclass(frozen=True, slots=True)
class Rule:
    """How patient we are.

    Attributes:
        free_failures: So many cost nothing.
        longest: No wait is longer.
        forgiven_every: One failure is forgiven after each of these.
    """

    free_failures: int
    longest: timedelta
    forgiven_every: timedelta

    def wait(self, failures: int) -> timedelta:
        """Give how long to wait after so many failures: 1 s for the first that counts, doubled by each further one."""
        beyond = failures - self.free_failures
        return timedelta() if beyond <= 0 else min(timedelta(seconds=2.0 ** min(beyond - 1, 20)), self.longest)


# A guesser is stopped soon, and can keep nobody out for more than a minute from elsewhere; a network with
# a thousand people behind one address has thirty who mistype at the same time.
RULES: Final = {
    (Door.PANEL, Counted.SOURCE): Rule(4, timedelta(minutes=15), timedelta(minutes=10)),
    (Door.PANEL, Counted.ACCOUNT): Rule(9, timedelta(minutes=1), timedelta(minutes=10)),
    (Door.VPN, Counted.LOGIN): Rule(2, timedelta(minutes=15), timedelta(minutes=10)),
    (Door.VPN, Counted.ACCOUNT): Rule(10, timedelta(minutes=1), timedelta(minutes=10)),
    (Door.VPN, Counted.SOURCE): Rule(30, timedelta(minutes=15), timedelta(minutes=1)),
}


@dataclass(frozen=True, slots=True)
class Record:
    """What one subject did.

    Attributes:
        failures: Counted at ``failed_at``; those forgiven since are still in it.
        blocked_until: When the next attempt is judged; ``None``: at once.
        changed_at: The newest record of a subject is the right one.
    """

    failures: int
    failed_at: datetime
    blocked_until: datetime | None
    changed_at: datetime

    def left(self, rule: Rule, at: datetime) -> int:
        """Give how many failures are not forgiven yet."""
        return max(0, self.failures - max(0, (at - self.failed_at) // rule.forgiven_every))

    def blocked(self, at: datetime) -> timedelta:
        """Give how long the subject has to wait; what was counted by a clock that went wrong keeps nobody out."""
        if self.blocked_until is None or self.failed_at > at + _CLOCKS_DIFFER:
            return timedelta()
        return max(timedelta(), self.blocked_until - at)


def after_failure(record: Record | None, rule: Rule, at: datetime) -> Record:
    """Give the record that one more failure makes."""
    failures = 1 + (record.left(rule, at) if record else 0)
    wait = rule.wait(failures)
    until = at + wait if wait else None
    if record is not None and record.blocked(at):
        until = max(record.blocked_until or at, until or at)
    return Record(failures, at, until, at)


def forgiven(at: datetime) -> Record:
    """Give the record of a subject whose failures count no more."""
    return Record(0, at, None, at)


def account_name(typed: str) -> str:
    """Give the name that an account is counted by, however it is written."""
    # What strangers type: it stands in a table and on screens.
    name = unicodedata.normalize("NFC", typed.strip().casefold())[:128]
    if not name.isprintable():
        name = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    return name


def subjects(door: Door, account: str, source: str) -> list[Subject]:
    """Give all whose failures an attempt of ``account`` from the address ``source`` counts as."""
    name = account_name(account)
    every = (
        Subject(door, Counted.LOGIN, f"{source} {name}"),
        Subject(door, Counted.ACCOUNT, name),
        Subject(door, Counted.SOURCE, network(source)),
    )
    return [subject for subject in every if (door, subject.counted) in RULES]


@functools.lru_cache(maxsize=1024)  # asked twice a login, and as many come from one place as there are behind its NAT
def network(source: str) -> str:
    """Give the network whose addresses are in one hand: /24, or /64 of IPv6."""
    try:
        address = ip_address(source)
    except ValueError:
        return "unknown"
    return str(ip_network((address, 24 if isinstance(address, IPv4Address) else 64), strict=False))
