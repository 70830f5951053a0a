"""Slowing down who guesses the panel's passwords; kept in the database, so that a restart forgives nothing.

Failures are counted per source network and, more patiently, per account: a guesser is stopped soon,
and cannot keep an administrator out for more than a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from appliance.administrators import repository
from appliance.models import Throttle

_FORGOTTEN_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Rule:
    free_failures: int
    longest: timedelta

    def wait(self, failures: int) -> timedelta | None:
        """Give how long to wait after so many failures: 1 s, doubled by each further one."""
        beyond = failures - self.free_failures
        return None if beyond < 0 else min(timedelta(seconds=2 ** min(beyond, 20)), self.longest)


_PER_SOURCE: Final = _Rule(free_failures=5, longest=timedelta(minutes=15))
_PER_ACCOUNT: Final = _Rule(free_failures=10, longest=timedelta(minutes=1))


def subjects(name: str, source: str) -> dict[str, str]:
    """Name whose failures count, source network first."""
    return {"source": f"panel/source/{_network(source)}", "account": f"panel/account/{name}"[:256]}


async def blocked_until(session: AsyncSession, names: Sequence[str], at: datetime) -> datetime | None:
    """Give until when these subjects must wait, or ``None`` when they need not."""
    waits = [row.blocked_until for row in await repository.throttles(session, names) if row.blocked_until]
    latest = max(waits, default=None)
    return latest if latest is not None and latest > at else None


async def failed(session: AsyncSession, name: str, source: str, at: datetime) -> None:
    """Count a failure."""
    wanted = subjects(name, source)
    present = {row.subject: row for row in await repository.throttles(session, list(wanted.values()))}
    for kind, rule in (("source", _PER_SOURCE), ("account", _PER_ACCOUNT)):
        row = present.get(wanted[kind])
        if row is None:
            row = Throttle(subject=wanted[kind], failures=0, failed_at=at)
            session.add(row)
        elif at - row.failed_at > _FORGOTTEN_AFTER:
            row.failures = 0
        row.failures += 1
        row.failed_at = at
        wait = rule.wait(row.failures)
        row.blocked_until = None if wait is None else at + wait


async def succeeded(session: AsyncSession, name: str, source: str) -> None:
    """Forget the failures of who has the right password."""
    for row in await repository.throttles(session, list(subjects(name, source).values())):
        await session.delete(row)


def _network(source: str) -> str:
    try:
        address = ip_address(source)
    except ValueError:
        return "unknown"
    prefix = 24 if isinstance(address, IPv4Address) else 64
    return str(ip_network((address, prefix), strict=False))
