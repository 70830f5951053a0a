"""Queries on RADIUS servers."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import RadiusServer
from appliance.radius_servers.schemas import RadiusServerFilter
from appliance.schema import Paging


async def find(session: AsyncSession, realm_id: int, name: str) -> RadiusServer | None:
    """Give one server of a realm by name."""
    found: RadiusServer | None = await session.scalar(
        select(RadiusServer).where(RadiusServer.realm_id == realm_id, RadiusServer.name == name)
    )
    return found


async def page(
    session: AsyncSession, realm_id: int, wanted: RadiusServerFilter, paging: Paging
) -> tuple[Sequence[RadiusServer], int]:
    """Give servers of a realm, and how many there are."""
    matches = [
        RadiusServer.realm_id == realm_id,
        *listing.containing(wanted.text, RadiusServer.name, RadiusServer.address),
    ]
    return await listing.page(session, RadiusServer, matches, wanted.sort, paging)


async def in_force(session: AsyncSession, realm_id: int) -> Sequence[RadiusServer]:
    """Give the servers of a realm that are to be asked, in their order."""
    rows = await session.scalars(
        select(RadiusServer)
        .where(RadiusServer.realm_id == realm_id, RadiusServer.enabled)
        .order_by(RadiusServer.position, RadiusServer.id)
    )
    return rows.all()
