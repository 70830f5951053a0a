"""Queries on versions: the entries of the audit log that tell of configuration."""

from collections.abc import Collection, Sequence

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.configuration.schemas import VersionFilter
from appliance.models import AuditEntry
from appliance.schema import Paging


async def find(session: AsyncSession, number: int, nouns: Collection[str]) -> AuditEntry | None:
    """Give one version."""
    entry = await session.get(AuditEntry, number)
    return entry if entry is not None and _noun(entry) in nouns and (entry.before or entry.after) else None


async def page(
    session: AsyncSession, nouns: Collection[str], wanted: VersionFilter, paging: Paging
) -> tuple[Sequence[AuditEntry], int]:
    """Give versions, and how many there are."""
    matches = [
        or_(*(AuditEntry.deed.startswith(f"{noun}.", autoescape=True) for noun in nouns)),
        or_(AuditEntry.before.is_not(None), AuditEntry.after.is_not(None)),
        *listing.equal(AuditEntry.target, wanted.name),
        *listing.equal(AuditEntry.who, wanted.who),
        *listing.between(AuditEntry.at, wanted.since, wanted.until),
    ]
    return await listing.page(session, AuditEntry, matches, wanted.sort, paging)


async def since(session: AsyncSession, noun: str, name: str, number: int) -> Sequence[AuditEntry]:
    """Give the changes of a thing (without a name or noun: of all) after that number, the earliest first."""
    rows = await session.scalars(
        select(AuditEntry)
        .where(
            AuditEntry.id > number,
            AuditEntry.deed.startswith(f"{noun}." if noun else "", autoescape=True),
            or_(AuditEntry.before.is_not(None), AuditEntry.after.is_not(None)),
            *listing.equal(AuditEntry.target, name),
        )
        .order_by(AuditEntry.id)
    )
    return rows.all()


def _noun(entry: AuditEntry) -> str:
    return entry.deed.partition(".")[0]
