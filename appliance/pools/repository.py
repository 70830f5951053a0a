"""Queries on pools and leases."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import IPv4Address

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import Lease, Pool, Profile
from appliance.models.columns import NEVER
from appliance.pools.schemas import PoolFilter
from appliance.schema import Paging

# Below the number of variables that one SQLite statement may have.
_AT_ONCE = 5_000


async def find(session: AsyncSession, name: str) -> Pool | None:
    """Give one pool by name."""
    found: Pool | None = await session.scalar(select(Pool).where(Pool.name == name))
    return found


async def page(session: AsyncSession, wanted: PoolFilter, paging: Paging) -> tuple[Sequence[Pool], int]:
    """Give pools, and how many there are."""
    return await listing.page(session, Pool, listing.containing(wanted.text, Pool.name), wanted.sort, paging)


async def all_pools(session: AsyncSession) -> Sequence[Pool]:
    """Give all pools, the oldest first."""
    return (await session.scalars(select(Pool).order_by(Pool.id))).all()


async def usage(session: AsyncSession) -> dict[int, tuple[int, int]]:
    """Count for each pool how many addresses it has and how many of them are taken."""
    rows = await session.execute(
        select(Lease.pool_id, func.count(), func.count().filter(Lease.free_since.is_(None))).group_by(Lease.pool_id)
    )
    return {pool_id: (addresses, taken) for pool_id, addresses, taken in rows}


async def profiles_of(session: AsyncSession, pool_id: int) -> Sequence[str]:
    """Name the profiles that take their addresses from this pool."""
    return (await session.scalars(select(Profile.name).where(Profile.pool_id == pool_id).order_by(Profile.name))).all()


async def addresses(session: AsyncSession, pool_id: int) -> dict[IPv4Address, datetime | None]:
    """Give all addresses of a pool and since when each is free."""
    rows = await session.execute(select(Lease.address, Lease.free_since).where(Lease.pool_id == pool_id))
    return dict(rows.all())


async def add_addresses(session: AsyncSession, pool_id: int, new: Iterable[IPv4Address]) -> None:
    """Make rows for addresses that nobody had yet."""
    rows = [{"pool_id": pool_id, "address": address, "free_since": NEVER} for address in new]
    for start in range(0, len(rows), _AT_ONCE):
        await session.execute(insert(Lease), rows[start : start + _AT_ONCE])


async def remove_addresses(session: AsyncSession, pool_id: int, gone: Sequence[IPv4Address]) -> None:
    """Remove the rows of these addresses."""
    for start in range(0, len(gone), _AT_ONCE):
        await session.execute(
            delete(Lease).where(Lease.pool_id == pool_id, Lease.address.in_(gone[start : start + _AT_ONCE]))
        )
