"""The rules of address pools."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from pydantic import ValidationError

from appliance.audit import service as audit
from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Pool
from appliance.policy import repository as policy_repository
from appliance.pools import repository
from appliance.pools.schemas import (
    NewPool,
    PoolChange,
    PoolDefinition,
    PoolFilter,
    PoolView,
    settings_of,
)
from appliance.schema import EVERYTHING, Page, Paging
from appliance.wording import mistake

# An address is a row from the beginning: enough for any gateway, and added in a second.
MOST_ADDRESSES = 65_536


def addresses_of(networks: Sequence[IPv4Network]) -> list[IPv4Address]:
    """Give the addresses that clients can have: all but a network's own and its broadcast address."""
    return [address for network in networks for address in network.hosts()]


async def page(work: Transaction, wanted: PoolFilter = PoolFilter(), paging: Paging = EVERYTHING) -> Page[PoolView]:
    """List pools, by themselves the oldest (that profiles without one of their own use) first."""
    usage = await repository.usage(work.session)
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[_view(pool, usage.get(pool.id, (0, 0))) for pool in rows], total=total)


async def show(work: Transaction, name: str) -> PoolView:
    """Show one pool.

    Raises:
        NotFound: there is no such pool.
    """
    return await _show(work, await find(work, name))


async def add(work: Transaction, new: NewPool) -> PoolView:
    """Add a pool.

    Raises:
        AlreadyExists: the name is taken.
        Invalid: its networks are too large or overlap another pool's.
    """
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is a pool {new.name} already", field="name")
    await _check_networks(work, new.networks, None)
    pool = Pool(**new.model_dump(mode="python"))
    work.session.add(pool)
    await work.session.flush()
    await repository.add_addresses(work.session, pool.id, addresses_of(new.networks))
    view = await _show(work, pool)
    audit.record(work, "pool.add", pool.name, after=view)
    return view


async def change(work: Transaction, name: str, wanted: PoolChange) -> PoolView:
    """Change a pool. Clients that are connected keep what they have until they connect again.

    Raises:
        NotFound: there is no such pool.
        LostUpdate: somebody else changed it since.
        InUse: an address that would go is taken.
        Invalid: its networks are too large or overlap another pool's, or the change does not fit the rest.
    """
    pool = await find(work, name)
    before = await _show(work, pool)
    work.expect(before)
    try:
        whole = PoolChange.model_validate(settings_of(before) | wanted.model_dump(mode="python", exclude_unset=True))
    except ValidationError as error:
        raise Invalid(mistake(error.errors()[0])) from None
    if whole.networks != pool.networks:
        await _check_networks(work, whole.networks, pool)
        await _resize(work, pool, whole.networks)
    for field in PoolChange.model_fields:
        setattr(pool, field, getattr(whole, field))
    await work.session.flush()
    after = await _show(work, pool)
    audit.record(work, "pool.change", pool.name, before=before, after=after)
    return after


async def define(work: Transaction, name: str, wanted: PoolDefinition) -> tuple[PoolView, bool]:
    """Have a pool so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate, InUse, Invalid: as ``add`` and ``change`` do.
    """
    whole = wanted.model_dump(mode="python")
    new = NewPool(**whole | {"name": name})
    if await repository.find(work.session, new.name) is None:
        work.expect(None)
        return await add(work, new), True
    return await change(work, new.name, PoolChange(**whole)), False


async def remove(work: Transaction, name: str) -> None:
    """Remove a pool.

    Raises:
        NotFound: there is no such pool.
        InUse: a profile or a client uses it.
    """
    pool = await find(work, name)
    view = await _show(work, pool)
    work.expect(view)
    if profiles := await repository.profiles_of(work.session, pool.id):
        raise InUse(
            f"pool {name} serves the profiles {', '.join(profiles)}", remedy="give these profiles another pool first"
        )
    if naming := await policy_repository.naming_pool(work.session, pool.name):
        raise InUse(f"the policy of {', '.join(naming)} names pool {name}", remedy="say another pool there first")
    if view.taken:
        raise InUse(
            f"{view.taken} clients have addresses of pool {name}", remedy="disconnect them, or wait until they left"
        )
    await work.session.delete(pool)
    audit.record(work, "pool.remove", pool.name, before=view)


async def find(work: Transaction, name: str) -> Pool:
    """Give the row of a pool.

    Raises:
        NotFound: there is no such pool.
    """
    pool = await repository.find(work.session, name.strip().lower())
    if pool is None:
        raise NotFound(f"there is no pool {name}", field="pool")
    return pool


async def _check_networks(work: Transaction, networks: Sequence[IPv4Network], own: Pool | None) -> None:
    size = sum(network.num_addresses for network in networks)
    if size > MOST_ADDRESSES:
        raise Invalid(
            f"these networks have {size} addresses; a pool has at most {MOST_ADDRESSES}",
            field="networks",
            remedy="write a longer prefix, for example /16",
        )
    for other in await repository.all_pools(work.session):
        if own is not None and other.id == own.id:
            continue
        for network in networks:
            for taken in other.networks:
                if network.overlaps(taken):
                    raise Invalid(f"{network} overlaps {taken} of pool {other.name}", field="networks")


async def _resize(work: Transaction, pool: Pool, networks: Sequence[IPv4Network]) -> None:
    present = await repository.addresses(work.session, pool.id)
    wanted = set(addresses_of(networks))
    gone = sorted(present.keys() - wanted)
    if taken := [address for address in gone if present[address] is None]:
        raise InUse(
            f"{len(taken)} clients have addresses that would go, {taken[0]} among them",
            field="networks",
            remedy="disconnect them first, or keep their network",
        )
    await repository.remove_addresses(work.session, pool.id, gone)
    await repository.add_addresses(work.session, pool.id, sorted(wanted - present.keys()))


async def _show(work: Transaction, pool: Pool) -> PoolView:
    return _view(pool, (await repository.usage(work.session)).get(pool.id, (0, 0)))


def _view(pool: Pool, usage: tuple[int, int]) -> PoolView:
    addresses, taken = usage
    return PoolView.model_validate(pool).model_copy(update={"addresses": addresses, "taken": taken})
