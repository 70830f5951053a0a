"""Gives addresses out of pools that other gateways give of as well: no address twice.

A gateway alone with its SQLite knows all there is by itself (``leases``). Gateways of one PostgreSQL take each
address in a short transaction that locks its row and passes by rows that others have locked, so that nobody waits
for anybody. That transaction waits for no disk either: the lease is written once more with the next group of
changes, which does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import Table, and_, or_, select, text, tuple_, update

from appliance import models
from appliance.gateway.admission.leases import Lease
from appliance.gateway.record.database_thread import AWAY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from ipaddress import IPv4Address

    from sqlalchemy import ColumnElement, Connection, UnaryExpression

    from appliance.gateway.admission.leases import Leases
    from appliance.gateway.admission.terms import Terms
    from appliance.gateway.record.database_thread import DatabaseThread

_LEASES: Final[Table] = models.Lease.metadata.tables["leases"]
_NODES: Final[Table] = models.Node.metadata.tables["nodes"]

_WAIT_FOR_NO_DISK: Final = text("SET LOCAL synchronous_commit TO off")

SILENT: Final = timedelta(minutes=10)
"""So long a gateway has not been heard of, when its addresses are given again. Child SAs that it left
behind do not carry on for longer."""


class DatabaseAway(Exception):
    """Nobody can tell which addresses are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one gateway asks the table for.

    Attributes:
        wanted: This address and no other.
        reserved: Addresses that are kept for other users.
        released: Rows that this gateway's clients left and that the table does not know to be free yet, and
            when each had been taken.
    """

    node: str
    pool_id: int
    user: str
    at: datetime
    wanted: IPv4Address | None
    reserved: frozenset[IPv4Address]
    released: Mapping[int, datetime]


class SharedPools:
    """Where a gateway has its addresses from.

    Args:
        node: The gateway's name.
        leases: What it gave out itself.
        writer: Where transactions run; ``None``: no other gateway shares the database.
    """

    def __init__(self, node: str, leases: Leases, writer: DatabaseThread | None) -> None:
        self._node = node
        self._leases = leases
        self._writer = writer

    async def take(
        self,
        pool_id: int,
        user: str,
        peer_id: int,
        at: datetime,
        *,
        hostname: str,
        terms: Terms,
        wanted: IPv4Address | None = None,
    ) -> Lease | None:
        """Give ``user`` an address for this peer; the same one if it asks again. ``None``: none is free.

        Args:
            pool_id: Key of the pool.
            user: Canonical name.
            peer_id: The engine's handle.
            at: Now.
            hostname: What the client calls itself.
            terms: What was decided for the user; kept with the lease.
            wanted: This address and no other.

        Raises:
            DatabaseAway: others may have given it, and cannot be asked.
        """
        if self._writer is None:
            return self._leases.take(pool_id, user, peer_id, at, hostname=hostname, terms=terms, wanted=wanted)
        if (lease := self._leases.of_peer(peer_id)) is not None:
            return lease
        wish = Wish(
            node=self._node,
            pool_id=pool_id,
            user=user,
            at=at,
            wanted=wanted,
            reserved=self._leases.reserved_for_others(user, terms),
            released=self._leases.released(),
        )
        taking = asyncio.ensure_future(self._writer.run(partial(_take, wish=wish)))
        try:
            taken = await asyncio.shield(taking)
        except asyncio.CancelledError:  # the client is gone; what is taken for it all the same must not stay so
            taking.add_done_callback(partial(self._give_back, wish))
            raise
        except AWAY as failure:
            raise DatabaseAway(str(failure.__cause__ or failure)) from failure
        if taken is None:
            return None
        row, address = taken
        lease = Lease(row=row, pool_id=pool_id, address=address, user=user, hostname=hostname, taken_at=at, terms=terms)
        self._leases.put(lease, peer_id)
        return lease

    def _give_back(self, wish: Wish, taking: asyncio.Future[tuple[int, IPv4Address] | None]) -> None:
        if taking.cancelled() or taking.exception() is not None or (taken := taking.result()) is None:
            return
        self._leases.free(taken[0], wish.user, taken_at=wish.at, at=wish.at)


def _take(connection: Connection, wish: Wish) -> tuple[int, IPv4Address] | None:
    """Take a free address: the one that the user had last, else the one that nobody had for the longest time.

    When all are taken, those of gateways count as free that have been silent for too long.

    Args:
        connection: In a transaction of its own.
        wish: Whose.

    Returns:
        Key and address of the row.
    """
    connection.execute(_WAIT_FOR_NO_DISK)
    leases = _LEASES.c
    free: ColumnElement[bool] = leases.free_since.is_not(None)
    if wish.released:
        free = or_(free, tuple_(leases.id, leases.taken_at).in_(list(wish.released.items())))
    alive = select(_NODES.c.name).where(_NODES.c.heartbeat_at > wish.at - SILENT)
    abandoned = and_(leases.free_since.is_(None), leases.node != wish.node, leases.node.not_in(alive))
    before_all_others = (leases.free_since, leases.address)
    choices: tuple[tuple[ColumnElement[bool], tuple[ColumnElement[object] | UnaryExpression[object], ...]], ...] = (
        (and_(leases.user == wish.user, free), (leases.taken_at.desc(),)),
        (free, before_all_others),
        (abandoned, before_all_others),
    )
    for condition, order in choices:
        among = [leases.pool_id == wish.pool_id, condition]
        if wish.wanted is not None:
            among.append(leases.address == wish.wanted)
        elif wish.reserved:
            among.append(leases.address.not_in(wish.reserved))
        choose = select(leases.id, leases.address).where(*among).order_by(*order).limit(1)
        # A particular one is waited for: who has it locked may be about to leave it alone.
        chosen = connection.execute(choose.with_for_update(skip_locked=wish.wanted is None)).first()
        if chosen is not None:
            values = {"user": wish.user, "taken_at": wish.at, "free_since": None, "node": wish.node}
            connection.execute(update(_LEASES).where(leases.id == chosen.id).values(values))
            return chosen.id, chosen.address
    return None
