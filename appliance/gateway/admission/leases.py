"""Who has which virtual IP of this gateway: held in memory, because this process alone gives them out.

Where several gateways give of the same pools, ``shared_pools`` asks the table and puts here what it got.
A user gets the address of last time while it is free, several devices of one user get one each.
Among the others, what was never used comes first, then what has been free for longest. The table
``leases`` follows behind (``projector``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from appliance.gateway.record.stay import Whose
from appliance.models.columns import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime
    from ipaddress import IPv4Address, IPv4Network

    from appliance.gateway.admission.terms import Terms


class LeaseRow(NamedTuple):
    """A row of the table ``leases``."""

    id: int
    pool_id: int
    address: IPv4Address
    free_since: datetime | None
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An address that is taken.

    Attributes:
        row: Key in the table.
        hostname: What the client called itself when it took the address.
        terms: What was decided for whoever has it; the gateway's own.
    """

    row: int
    pool_id: int
    address: IPv4Address
    user: str
    hostname: str
    taken_at: datetime
    terms: Terms | None = None

    @property
    def whose(self) -> Whose:
        """Whom it counts for."""
        return Whose.of(self.terms.claim if self.terms is not None else None, self.user)

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """What is behind the client, and so taken along with the address."""
        return self.terms.networks if self.terms is not None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseChange:
    """What the table has to say of an address from now on; ``free_since`` is ``None`` while it is taken."""

    row: int
    user: str
    taken_at: datetime
    free_since: datetime | None
    networks: tuple[IPv4Network, ...] = ()


@dataclass(slots=True)
class _Pool:
    """The addresses of one pool.

    Attributes:
        rows: All of them, with their keys.
        free: Those to give, in the order of giving.
        last_user: Who had an address last.
        of_user: The same the other way; the latest last.
    """

    rows: dict[IPv4Address, int] = field(default_factory=dict)
    free: dict[IPv4Address, None] = field(default_factory=dict)
    last_user: dict[IPv4Address, str] = field(default_factory=dict)
    of_user: dict[str, dict[IPv4Address, None]] = field(default_factory=dict)

    def remember(self, address: IPv4Address, user: str) -> None:
        self.forget(address)
        self.last_user[address] = user
        self.of_user.setdefault(user, {})[address] = None

    def forget(self, address: IPv4Address) -> None:
        if (user := self.last_user.pop(address, None)) is not None:
            addresses = self.of_user[user]
            del addresses[address]
            if not addresses:
                del self.of_user[user]

    def keep(self, old: _Pool) -> None:
        """Go on with what ``old`` knew of the addresses that are still in the pool."""
        for address in old.free:
            if self.rows.get(address) == old.rows[address]:
                self.free[address] = None
        for address, user in old.last_user.items():
            if self.rows.get(address) == old.rows.get(address):
                self.remember(address, user)

    def choose(self, user: str, owner: str, reserved: Mapping[IPv4Address, str]) -> IPv4Address | None:
        for address in reversed(self.of_user.get(user, {})):
            if address in self.free and reserved.get(address, owner) == owner:
                return address
        return next((address for address in self.free if reserved.get(address, owner) == owner), None)


class Leases:
    """All pools, and what of them is taken."""

    def __init__(self) -> None:
        self._pools: dict[int, _Pool] = {}
        self._by_peer: dict[int, Lease] = {}
        self._changed: dict[int, LeaseChange] = {}
        self._peers_of: dict[Whose, dict[int, None]] = {}
        self._reserved: Mapping[IPv4Address, str] = {}

    def __len__(self) -> int:
        return len(self._by_peer)

    def load(self, rows: Iterable[LeaseRow]) -> None:
        """Take over what the table holds: at start, and when pools were changed.

        Of addresses that are known already the memory is right and the table behind. An address
        that vanished from the table stays with whoever has it, and is not given again.
        """
        taken = {lease.address for lease in self._by_peer.values()}
        before, self._pools = self._pools, {}
        for row in sorted(rows, key=lambda row: (row.free_since or NEVER, row.address)):
            pool = self._pools.setdefault(row.pool_id, _Pool())
            pool.rows[row.address] = row.id
            if (old := before.get(row.pool_id)) is not None and old.rows.get(row.address) == row.id:
                continue
            if row.user is not None:
                pool.remember(row.address, row.user)
            if row.free_since is not None and row.address not in taken:
                pool.free[row.address] = None
        for pool_id, pool in self._pools.items():
            if (old := before.get(pool_id)) is not None:
                pool.keep(old)

    def reserve(self, addresses: Mapping[IPv4Address, str]) -> None:
        """Keep these for the local users named, whoever else asks."""
        self._reserved = addresses

    def take(
        self,
        pool_id: int,
        user: str,
        peer_id: int,
        at: datetime,
        *,
        hostname: str = "",
        wanted: IPv4Address | None = None,
        terms: Terms | None = None,
    ) -> Lease | None:
        """Give ``user`` an address for this peer; the same one if it asks again. ``None``: none is free.

        Args:
            pool_id: Key of the pool.
            user: Canonical name.
            peer_id: The engine's handle.
            at: Now.
            hostname: What the client calls itself.
            wanted: This address and no other.
            terms: What was decided for the user; kept with the lease.
        """
        if (lease := self._by_peer.get(peer_id)) is not None:
            return lease
        pool = self._pools.get(pool_id)
        if pool is None:
            return None
        address = pool.choose(user, _owner(user, terms), self._reserved) if wanted is None else wanted
        if address is None or address not in pool.free:
            return None
        row = pool.rows[address]
        lease = Lease(row=row, pool_id=pool_id, address=address, user=user, hostname=hostname, taken_at=at, terms=terms)
        self.put(lease, peer_id)
        return lease

    def put(self, lease: Lease, peer_id: int) -> None:
        """Have this peer hold a lease from now on; nobody else has it."""
        pool = self._pools.get(lease.pool_id)
        if pool is not None and pool.rows.get(lease.address) == lease.row:
            pool.free.pop(lease.address, None)
            pool.remember(lease.address, lease.user)
        self._by_peer[peer_id] = lease
        self._peers_of.setdefault(lease.whose, {})[peer_id] = None
        self._changed[lease.row] = LeaseChange(
            row=lease.row, user=lease.user, taken_at=lease.taken_at, free_since=None, networks=lease.networks
        )

    def release(self, peer_id: int, at: datetime) -> None:
        """Take the address of this peer back, if it has one."""
        if (lease := self._by_peer.pop(peer_id, None)) is None:
            return
        del self._peers_of[lease.whose][peer_id]
        if not self._peers_of[lease.whose]:
            del self._peers_of[lease.whose]
        pool = self._pools.get(lease.pool_id)
        if pool is not None and pool.rows.get(lease.address) == lease.row:
            pool.free[lease.address] = None
        self.free(lease.row, lease.user, taken_at=lease.taken_at, at=at)

    def free(self, row: int, user: str, *, taken_at: datetime, at: datetime) -> None:
        """Have the table say from the next time on that an address is free since ``at``."""
        self._changed[row] = LeaseChange(row=row, user=user, taken_at=taken_at, free_since=at)

    def released(self) -> dict[int, datetime]:
        """Give the rows of which the table does not know yet that they are free, and when each had been taken."""
        return {row: change.taken_at for row, change in self._changed.items() if change.free_since is not None}

    def reserved_for_others(self, user: str, terms: Terms | None) -> frozenset[IPv4Address]:
        """Give the addresses that are kept for other users than this one."""
        own = _owner(user, terms)
        return frozenset(address for address, owner in self._reserved.items() if owner != own)

    def take_changes(self) -> dict[int, LeaseChange]:
        """Give what the table does not know yet, by row; only the latest of each matters."""
        changed, self._changed = self._changed, {}
        return changed

    def give_back(self, changes: dict[int, LeaseChange]) -> None:
        """Keep changes that could not be written for the next time."""
        self._changed = changes | self._changed

    def of_peer(self, peer_id: int) -> Lease | None:
        """Give what this peer has."""
        return self._by_peer.get(peer_id)

    def peers(self) -> Collection[int]:
        """Give who has an address."""
        return self._by_peer.keys()

    def of_user(self, whose: Whose) -> list[tuple[int, Lease]]:
        """Give the peers of a user and what they have, the oldest first."""
        return [(peer_id, self._by_peer[peer_id]) for peer_id in self._peers_of.get(whose, ())]

    def holder(self, address: IPv4Address) -> tuple[int, Lease] | None:
        """Give who has this address, if anyone."""
        return next(((peer, lease) for peer, lease in self._by_peer.items() if lease.address == address), None)

    def pool_of(self, address: IPv4Address) -> int | None:
        """Give the key of the pool that an address belongs to."""
        return next((key for key, pool in self._pools.items() if address in pool.rows), None)

    def replace_terms(self, peer_id: int, terms: Terms) -> None:
        """Decide anew for a peer that has an address."""
        if (lease := self._by_peer.get(peer_id)) is not None:
            self._by_peer[peer_id] = replace(lease, terms=terms)

    def items(self) -> list[tuple[int, Lease]]:
        """Give who has what."""
        return list(self._by_peer.items())

    def size(self, pool_id: int) -> int:
        """Tell how many addresses this pool has, free and taken."""
        pool = self._pools.get(pool_id)
        return len(pool.rows) if pool is not None else 0


def _owner(user: str, terms: Terms | None) -> str:
    """Give the name that addresses are kept under for a user: a local one's; a namesake of another realm has none."""
    return user if terms is None or terms.claim.account is not None else ""
