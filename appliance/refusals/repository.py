"""Queries on refusals."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from appliance import listing
from appliance.models import Refusal
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import Paging


async def find(session: AsyncSession, refusal_id: int) -> Refusal | None:
    """Give one refusal, with what was said."""
    return await session.get(Refusal, refusal_id, options=[undefer(Refusal.transcript)])


async def page(session: AsyncSession, wanted: RefusalFilter, paging: Paging) -> tuple[Sequence[Refusal], int]:
    """Give refusals, and how many there are."""
    matches = [
        *listing.containing(wanted.text, Refusal.username, Refusal.identity, Refusal.peer_address, Refusal.reason),
        *listing.login(Refusal.username, wanted.user),
        *listing.equal(Refusal.stage, wanted.stage),
        *listing.between(Refusal.at, wanted.since, wanted.until),
    ]
    return await listing.page(session, Refusal, matches, wanted.sort, paging)
