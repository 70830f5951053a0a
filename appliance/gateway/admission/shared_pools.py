"""Gives addresses out of pools that other gateways give of as well: no address twice, no network behind two clients.

A gateway alone with its SQLite knows all there is by itself (``leases``). Gateways of one PostgreSQL take each
address in a short transaction that locks its row and passes by rows that others have locked, so that nobody waits
for anybody. That transaction waits for no disk either: the lease is written once more with the next group of
changes, which does.

Networks behind a client are taken in the same row and so for as long. Since they may overlap in many ways, those who
take some do it one after the other; they are few.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import Table, and_, bindparam, func, or_, select, text, tuple_, update

from appliance import models
from appliance.gateway.admission.leases import Lease
from appliance.gateway.admission.networks_behind import common
from appliance.gateway.record.database_thread import AWAY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from ipaddress import IPv4Address

    from sqlalchemy import ColumnElement, Connection, UnaryExpression

    from appliance.gateway.admission.leases import Leases
    from appliance.gateway.admission.networks_behind import Networks
    from appliance.gateway.admission.terms import Terms
    from appliance.gateway.record.database_thread import DatabaseThread

_LEASES: Final[Table] = models.Lease.metadata.tables["leases"]
_NODES: Final[Table] = models.Node.metadata.tables["nodes"]

_WAIT_FOR_NO_DISK: Final = text("SET LOCAL synchronous_commit TO off")

SILENT: Final = timedelta(minutes=10)
"""So long a gateway has not been heard of, when its addresses are given again. Child SAs that it left
behind do not carry on for longer."""


_ONE_AFTER_THE_OTHER: Final = select(func.pg_advisory_xact_lock(func.hashtextextended("networks behind clients", 1)))
_TAKEN_BY_OTHERS: Final = (
    select(_LEASES.c.user, _LEASES.c.taken_at, _LEASES.c.node, _LEASES.c.networks)
    .where(
        _LEASES.c.free_since.is_(None),
        _LEASES.c.node != bindparam("of_node"),
        _LEASES.c.node.in_(select(_NODES.c.name).where(_NODES.c.heartbeat_at > bindparam("seen_after"))),
        func.json_array_length(_LEASES.c.networks) > 0,
    )
    .order_by(_LEASES.c.taken_at)
)


class DatabaseAway(Exception):
    """Nobody can tell which addresses are free."""


class BehindAnother(Exception):
    """A client of another gateway has some of the networks behind it; the message says which, whose and where.

    Attributes:
        user: Whose.
    """

    def __init__(self, message: str, user: str) -> None:
        super().__init__(message)
        self.user = user


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one gateway asks the table for.

    Attributes:
        wanted: This address and no other.
        reserved: Addresses that are kept for other users.
        released: Rows that this gateway's clients left and that the table does not know to be free yet, and
            when each had been taken.
        networks: What is to be behind the client.
    """

    node: str
    pool_id: int
    user: str
    at: datetime
    wanted: IPv4Address | None
    reserved: frozenset[IPv4Address]
    released: Mapping[int, datetime]
    networks: Networks


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
            terms: What was decided for the user; kept with the lease. Its networks are taken as well.
            wanted: This address and no other.

        Raises:
            DatabaseAway: others may have given it, and cannot be asked.
            BehindAnother: a network of the terms is behind a client of another gateway.
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
            networks=terms.networks,
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

    Raises:
        BehindAnother: a network is taken.
    """
    connection.execute(_WAIT_FOR_NO_DISK)
    if wish.networks:
        _see_that_nobody_else_has_them(connection, wish)
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
            values = {
                "user": wish.user,
                "taken_at": wish.at,
                "free_since": None,
                "node": wish.node,
                "networks": wish.networks,
            }
            connection.execute(update(_LEASES).where(leases.id == chosen.id).values(values))
            return chosen.id, chosen.address
    return None


def _see_that_nobody_else_has_them(connection: Connection, wish: Wish) -> None:
    """Who takes networks next waits for the end of this transaction. What this gateway's own clients have it knows."""
    connection.execute(_ONE_AFTER_THE_OTHER)
    taken = connection.execute(_TAKEN_BY_OTHERS, {"of_node": wish.node, "seen_after": wish.at - SILENT})
    for user, since, node, networks in taken:
        if (what := common(wish.networks, networks)) is not None:
            words = f"{what} is behind user {user!r} at gateway {node} since {since:%Y-%m-%d %H:%M} UTC"
            raise BehindAnother(words, user)
