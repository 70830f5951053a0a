"""Lockouts: seen and lifted by administrators, and counted at the doors that have the database at hand.

A gateway does its own counting by the same rules in memory (``auth.throttle``): a login waits for no disk.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from appliance.audit import service as audit
from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.lockouts import repository, rules
from appliance.lockouts.rules import RULES, Door, Record, Subject
from appliance.lockouts.schemas import Lifting, LockoutFilter, LockoutView
from appliance.models import Throttle
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging


async def page(
    work: Transaction, wanted: LockoutFilter = LockoutFilter(), paging: Paging = EVERYTHING
) -> Page[LockoutView]:
    """List who must wait before the next attempt to log in is judged."""
    rows, total = await repository.page(work.session, wanted, paging, now())
    return Page(items=[_view(row) for row in rows], total=total)


async def lift(work: Transaction, wanted: Lifting) -> Page[LockoutView]:
    """Forgive failures; gateways follow within seconds. Gives those that were forgiven.

    Raises:
        NotFound: nobody of them failed.
    """
    failing = await repository.failing(work.session)
    lifted = [row for row in failing if _is_wanted(Subject.from_text(row.subject), wanted)]
    if not lifted:
        named = wanted.subject or wanted.account or wanted.source or "anybody"
        raise NotFound(f"no failed login of {named} is counted", remedy="see who is: coati lockout list --all")
    views = [_view(row) for row in lifted]
    at = now()
    for row in lifted:
        _write(row, rules.forgiven(at))
        audit.record(work, "lockout.lift", row.subject)
    return Page(items=views, total=len(views))


async def waiting(session: AsyncSession, door: Door, account: str, source: str, at: datetime) -> timedelta:
    """Give how long an attempt has to wait."""
    rows = await repository.find(session, rules.subjects(door, account, source))
    return max((_record(row).blocked(at) for row in rows), default=timedelta())


async def failed(session: AsyncSession, door: Door, account: str, source: str, at: datetime) -> None:
    """Count a failure."""
    wanted = rules.subjects(door, account, source)
    present = {row.subject: row for row in await repository.find(session, wanted)}
    for subject in wanted:
        row = present.get(str(subject))
        record = rules.after_failure(_record(row) if row else None, RULES[subject.door, subject.counted], at)
        if row is None:
            session.add(row := Throttle(subject=str(subject)))
        _write(row, record)


async def succeeded(session: AsyncSession, door: Door, account: str, source: str, at: datetime) -> None:
    """Forget the failures of who has the right password; those of the network stay, as with gateways."""
    theirs = [subject for subject in rules.subjects(door, account, source) if subject.account]
    for row in await repository.find(session, theirs):
        _write(row, rules.forgiven(at))


def _is_wanted(subject: Subject, wanted: Lifting) -> bool:
    if wanted.all:
        return True
    if wanted.account:
        return subject.account == wanted.account.strip().casefold()
    if wanted.source:
        return subject.source in (wanted.source, rules.network(wanted.source))
    return str(subject) == wanted.subject


def _record(row: Throttle) -> Record:
    return Record(row.failures, row.failed_at, row.blocked_until, row.changed_at)


def _write(row: Throttle, record: Record) -> None:
    row.failures, row.failed_at = record.failures, record.failed_at
    row.blocked_until, row.changed_at = record.blocked_until, record.changed_at


def _view(row: Throttle) -> LockoutView:
    subject = Subject.from_text(row.subject)
    return LockoutView(
        subject=row.subject,
        door=subject.door,
        counted=subject.counted,
        account=subject.account,
        source=subject.source,
        failures=row.failures,
        failed_at=row.failed_at,
        blocked_until=row.blocked_until,
    )
