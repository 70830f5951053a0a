"""Which networks are behind which clients: each is one client's, and the keeper routes it while the client is there.

A client has what policy says for it (``routes``, RADIUS Framed-Route) from its login on, whether it makes a Child SA
for it or not. What cannot be behind it is refused in words: another client has it, virtual IPs are taken from it,
the gateway or the client itself is in it, or the gateway's host has a route of its own to it.

That no client of another gateway has it, ``shared_pools`` sees to where gateways share a database.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import structlog

from ike_engine.runtime.operations import OperationFailed, RouteBehind, VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from appliance.gateway.record.stay import Whose
    from ike_engine.path import Path
    from ike_engine.runtime.operations import Operation

logger = structlog.get_logger(__name__)

Networks = tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has networks behind it.

    Attributes:
        whose: Whom it counts for.
        user: Canonical name, as written.
    """

    peer_id: int
    whose: Whose
    user: str
    since: datetime
    address: IPv4Address
    networks: Networks


class NetworksBehind:
    """Keeps account of them for one gateway.

    Args:
        perform: Has the keeper do an operation; ``None``: nobody does.
    """

    def __init__(self, perform: Callable[[Operation], Awaitable[None]] | None) -> None:
        self._perform = perform
        self._pools: tuple[VirtualNetwork, ...] = ()
        self._holders: dict[int, Holder] = {}
        self._telling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._others_are_routed = False

    def reconfigure(self, pools: tuple[VirtualNetwork, ...]) -> list[tuple[Holder, str]]:
        """Virtual IPs are taken from these networks from now on; give who cannot stay, and why."""
        self._pools = pools
        return [
            (holder, why) for holder in self._holders.values() if (why := self._in_a_pool(holder.networks)) is not None
        ]

    async def begin(self, *, orphans: bool) -> None:
        """Know where to start from: a gateway that crashed may have left routes behind.

        Args:
            orphans: Its Child SAs carry on, and what they carry stays routed until they are gone.
        """
        self._others_are_routed = True
        if not orphans:
            await self.forget_others()

    async def forget_others(self) -> None:
        """Have nothing routed any more but what clients have who are known here."""
        if self._others_are_routed:
            self._others_are_routed = False
            await self._try(
                lambda: RouteBehind(
                    tuple(virtual for holder in self._holders.values() for virtual in self._virtual(holder)),
                    afresh=True,
                )
            )

    def obstacle(self, networks: Networks, path: Path) -> str | None:
        """Say why a client on this path cannot have them behind it, whoever else has what; ``None``: it can."""
        for outer in (path.remote.ip, path.local.ip):
            for network in networks:
                if ":" not in outer and IPv4Address(outer) in network:
                    return f"{network} has the address {outer} that the tunnel itself goes over"
        return self._in_a_pool(networks)

    def conflict(self, networks: Networks, peer_id: int) -> tuple[Holder, str] | None:
        """Give who else has some of it behind it, and which, in words; ``None``: nobody has."""
        for holder in self._holders.values():
            if holder.peer_id != peer_id and (what := common(networks, holder.networks)) is not None:
                return holder, f"{what} is behind user {holder.user!r} since {holder.since:%Y-%m-%d %H:%M} UTC"
        return None

    async def take(self, holder: Holder) -> str | None:
        """Give a client its networks.

        Returns:
            Why the host does not route them, in words; ``None``: it does.
        """
        self._holders[holder.peer_id] = holder
        try:
            await self._tell(lambda: RouteBehind(self._virtual(holder)))
        except OperationFailed as failure:
            self.release(holder.peer_id)
            return str(failure)
        return None

    def release(self, peer_id: int) -> Networks:
        """The client is gone, and nothing is behind it any more; give what was."""
        if (holder := self._holders.pop(peer_id, None)) is None:
            return ()
        task = asyncio.create_task(self._try(lambda: RouteBehind(removed=self._unheld(holder.networks))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return holder.networks

    def of_peer(self, peer_id: int) -> Networks:
        """Give what this client has behind it."""
        holder = self._holders.get(peer_id)
        return holder.networks if holder is not None else ()

    def _virtual(self, holder: Holder) -> tuple[VirtualNetwork, ...]:
        """They are hidden if the client's own address is."""
        hidden = any(pool.masquerade and holder.address in pool.network for pool in self._pools)
        return tuple(VirtualNetwork(network, hidden) for network in holder.networks)

    def _unheld(self, networks: Networks) -> Networks:
        held = {network for holder in self._holders.values() for network in holder.networks}
        return tuple(network for network in networks if network not in held)

    def _in_a_pool(self, networks: Networks) -> str | None:
        for network in networks:
            if (pool := _overlapping(network, (pool.network for pool in self._pools))) is not None:
                return f"{network} overlaps {pool}, where virtual IPs are taken from"
        return None

    async def _try(self, order: Callable[[], RouteBehind]) -> None:
        try:
            await self._tell(order)
        except OperationFailed as failure:
            logger.error("networks behind clients that are gone stay routed", why=str(failure))  # noqa: TRY400

    async def _tell(self, order: Callable[[], RouteBehind]) -> None:
        """Tell the keeper one thing after the other, each as it is by then."""
        if self._perform is None:
            return
        async with self._telling:
            await self._perform(order())


def common(networks: Networks, others: Networks) -> str | None:
    """Say which network of the first overlaps one of the others; ``None``: none does."""
    for network in networks:
        if (other := _overlapping(network, others)) is not None:
            return str(network) if network == other else f"{network} (within or around {other})"
    return None


def _overlapping(network: IPv4Network, others: Iterable[IPv4Network]) -> IPv4Network | None:
    return next((other for other in others if other.overlaps(network)), None)
