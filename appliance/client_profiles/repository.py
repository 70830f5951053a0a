"""Queries on download links."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.client_profiles.schemas import LinkFilter
from appliance.models import DownloadLink
from appliance.schema import Paging


async def by_hash(session: AsyncSession, token_hash: bytes, *, lock: bool = False) -> DownloadLink | None:
    """Give the link with this token; ``lock`` lets nobody else use it at the same moment."""
    query = select(DownloadLink).where(DownloadLink.token_hash == token_hash)
    found: DownloadLink | None = await session.scalar(query.with_for_update() if lock else query)
    return found


async def find(session: AsyncSession, link_id: int) -> DownloadLink | None:
    """Give one link."""
    return await session.get(DownloadLink, link_id)


async def page(
    session: AsyncSession, wanted: LinkFilter, paging: Paging, at: datetime
) -> tuple[Sequence[DownloadLink], int]:
    """Give links, the latest first, and how many there are."""
    matches = listing.equal(DownloadLink.user, wanted.user)
    if wanted.usable:
        matches += [DownloadLink.used_at.is_(None), DownloadLink.expires_at > at]
    return await listing.page(session, DownloadLink, matches, "-created_at", paging)


async def remove_older(session: AsyncSession, before: datetime) -> None:
    """Forget links that could be used no more before this moment."""
    await session.execute(delete(DownloadLink).where(DownloadLink.expires_at < before))
