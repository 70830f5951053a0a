"""What may be asked of leases: to see them, and to take one back. Gateways alone write them."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from appliance.commands.schemas import CommandView
from appliance.errors import InUse, NotFound
from appliance.installation import Transaction
from appliance.leases import repository
from appliance.leases.schemas import LeaseFilter, LeaseView
from appliance.models import Lease
from appliance.schema import EVERYTHING, Page, Paging
from appliance.sessions import service as sessions


async def page(work: Transaction, wanted: LeaseFilter = LeaseFilter(), paging: Paging = EVERYTHING) -> Page[LeaseView]:
    """List addresses that are or once were taken, by themselves in their order."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=await _views(work, rows), total=total)


async def show(work: Transaction, address: IPv4Address) -> LeaseView:
    """Show one address.

    Raises:
        NotFound: no pool has it.
    """
    row = await repository.find(work.session, address)
    if row is None:
        raise NotFound(f"no pool has the address {address}")
    (view,) = await _views(work, [row])
    return view


async def release(work: Transaction, address: IPv4Address, reason: str) -> CommandView:
    """Take an address back: the gateway ends the session that has it.

    Raises:
        NotFound: no pool has it.
        InUse: it is not in a session's hands, so there is nothing to end.
    """
    lease = await show(work, address)
    if lease.session_id is None:
        raise InUse(
            f"{address} is free" if lease.free_since or lease.taken_at is None else f"{address} is just being given out"
        )
    return await sessions.disconnect(work, lease.session_id, reason)


async def _views(work: Transaction, rows: Sequence[Lease]) -> list[LeaseView]:
    names = await repository.pool_names(work.session)
    taken = await repository.sessions_at(work.session, [row.address for row in rows if row.free_since is None])
    return [
        LeaseView(
            address=row.address,
            pool=names[row.pool_id],
            user=row.user,
            node=row.node,
            session_id=taken.get(str(row.address)),
            taken_at=row.taken_at,
            # An address that nobody had yet is not free since 1970.
            free_since=row.free_since if row.taken_at is not None else None,
        )
        for row in rows
    ]
