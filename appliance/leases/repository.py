"""Queries on leases."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.leases.schemas import LeaseFilter
from appliance.models import Lease, Pool, Session
from appliance.schema import Paging


async def find(session: AsyncSession, address: IPv4Address) -> Lease | None:
    """Give one address of any pool."""
    found: Lease | None = await session.scalar(select(Lease).where(Lease.address == address))
    return found


async def page(session: AsyncSession, wanted: LeaseFilter, paging: Paging) -> tuple[Sequence[Lease], int]:
    """Give addresses that are or once were taken, and how many there are."""
    matches: list[listing.Condition] = [
        Lease.taken_at.is_not(None),
        *listing.equal(Lease.user, wanted.user.lower()),
        *listing.equal(Lease.node, wanted.node),
    ]
    if wanted.pool:
        matches.append(Lease.pool_id.in_(select(Pool.id).where(Pool.name == wanted.pool.lower())))
    if wanted.taken is not None:
        matches.append(Lease.free_since.is_(None) if wanted.taken else Lease.free_since.is_not(None))
    return await listing.page(session, Lease, matches, wanted.sort, paging)


async def pool_names(session: AsyncSession) -> dict[int, str]:
    """Give the names of all pools by key."""
    return dict((await session.execute(select(Pool.id, Pool.name))).all())


async def sessions_at(session: AsyncSession, addresses: Iterable[IPv4Address]) -> dict[str, int]:
    """Give the keys of the live sessions that have these addresses."""
    rows = await session.execute(
        select(Session.virtual_ip, Session.id).where(
            Session.virtual_ip.in_([str(address) for address in addresses]), Session.ended_at.is_(None)
        )
    )
    return {address: session_id for address, session_id in rows if address is not None}
