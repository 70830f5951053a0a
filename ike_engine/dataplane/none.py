"""The data plane that carries nothing: for benches of the control plane and for trying a login out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ike_engine.dataplane.databases import Databases
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Install,
    Order,
    QueryCounters,
    QueryDatabases,
    Remove,
    Report,
    UpdatePath,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class NoDataPlane:
    """Accepts every order; its Child SAs never see a packet and never expire. Implements ``DataPlane``."""

    def __init__(self) -> None:
        self._inbound_spis: dict[int, None] = {}  # in the order of their installation
        self._subscribers: list[Callable[[Report], None]] = []

    def submit(self, order: Order) -> None:
        """Take note of which Child SAs there are."""
        match order:
            case Install(child):
                self._inbound_spis[child.inbound_spi] = None
            case Remove(spis):
                for spi in spis:
                    self._inbound_spis.pop(spi, None)
            case QueryCounters(spis):
                asyncio.get_running_loop().call_soon(self._publish, Counters(self._counters(spis)))
            case UpdatePath() | QueryDatabases():  # there is no channel to answer the latter by
                pass

    def subscribe(self, receive: Callable[[Report], None]) -> None:
        """Have ``receive`` called, in the event loop, for every report."""
        self._subscribers.append(receive)

    async def counters(self, inbound_spis: tuple[int, ...] = ()) -> tuple[ChildCounters, ...]:
        """Give counters that stand at zero (empty tuple: of all Child SAs)."""
        return self._counters(inbound_spis)

    async def databases(self) -> Databases:
        """Give what it holds: nothing, for nothing is protected by it."""
        return Databases()

    def _counters(self, spis: tuple[int, ...]) -> tuple[ChildCounters, ...]:
        known = [spi for spi in spis if spi in self._inbound_spis] if spis else list(self._inbound_spis)
        return tuple(
            ChildCounters(
                inbound_spi=spi,
                octets_in=0,
                octets_out=0,
                packets_in=0,
                packets_out=0,
                integrity_failures=0,
                replays=0,
                idle_seconds=None,
            )
            for spi in known
        )

    def _publish(self, report: Report) -> None:
        for receive in self._subscribers:
            receive(report)
