"""Has the keeper's firewall let each virtual IP reach what its user may reach, and nothing else.

Who may reach everything costs nothing. For the others a login waits until the firewall knows: all
that came together meanwhile is one operation. Where no firewall can be had the Child SAs are
narrowed instead (``Configuration.filtered``), which a change of policy reaches at the next login only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from appliance.policy.effective import EVERYTHING
from ike_engine.runtime.operations import MOST_ADDRESSES, LetReach, OperationFailed, Reach

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from ipaddress import IPv4Address, IPv4Network

    from ike_engine.runtime.operations import Operation

logger = structlog.get_logger(__name__)

Networks = tuple["IPv4Network", ...]
_UNKNOWN: Final = object()


class Reachability:
    """What the firewall was told, and what it shall be told.

    Args:
        perform: Has the keeper do an operation; ``None``: nobody does.

    Attributes:
        problem: Why the firewall cannot be told, in words; empty when it can.
    """

    def __init__(self, perform: Callable[[Operation], Awaitable[None]] | None) -> None:
        self.problem = ""
        self._perform = perform
        self._told: dict[IPv4Address, Networks | None] = {}
        self._otherwise: object = _UNKNOWN
        self._changes: dict[IPv4Address, Networks | None] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._teller: asyncio.Task[None] | None = None

    async def begin(self, *, orphans: bool) -> None:
        """Know where to start from: a gateway that crashed may have left limits behind.

        Args:
            orphans: Its Child SAs carry on. Their limits must as well, so each address is told of before
                somebody else gets it.
        """
        if self._perform is None or orphans:
            return
        try:
            await self._perform(LetReach(afresh=True))
        except OperationFailed as failure:
            self._failed(failure)
        else:
            self._otherwise = None

    async def let(self, address: IPv4Address, networks: Networks) -> bool:
        """Let this address reach these networks and nothing else; ``False``: there is no firewall to see to it."""
        if self._perform is None:
            return False
        if not self._note(address, networks):
            return True
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(outcome)
        return await outcome

    def change(self, address: IPv4Address, networks: Networks) -> None:
        """The same for a session that goes on; nobody waits."""
        if self._perform is not None:
            self._note(address, networks)

    def forget(self, address: IPv4Address) -> None:
        """Nobody has this address any more."""
        self.change(address, EVERYTHING)

    def _note(self, address: IPv4Address, networks: Networks) -> bool:
        """Have it told; whether there is something to tell."""
        wanted = None if networks == EVERYTHING else networks
        present = self._changes.get(address, self._told.get(address, self._otherwise))
        if present == wanted and address not in self._changes:
            return False
        self._changes[address] = wanted
        if self._teller is None:
            self._teller = asyncio.create_task(self._tell())
        return True

    async def _tell(self) -> None:
        try:
            while self._changes:
                changes = dict(list(self._changes.items())[:MOST_ADDRESSES])
                whole = len(changes) == len(self._changes)
                for address in changes:
                    del self._changes[address]
                waiting = self._waiting if whole else []
                self._waiting = [] if whole else self._waiting
                done = await self._try(changes)
                for outcome in waiting:
                    if not outcome.done():
                        outcome.set_result(done)
        finally:
            self._teller = None

    async def _try(self, changes: dict[IPv4Address, Networks | None]) -> bool:
        by_networks: dict[Networks, list[IPv4Address]] = {}
        for address, networks in changes.items():
            if networks is not None:
                by_networks.setdefault(networks, []).append(address)
        order = LetReach(
            tuple(Reach(networks, tuple(addresses)) for networks, addresses in by_networks.items()),
            tuple(address for address, networks in changes.items() if networks is None),
        )
        try:
            if self._perform is not None:
                await self._perform(order)
        except OperationFailed as failure:
            self._failed(failure)
            for address in changes:
                self._told.pop(address, None)
            self._otherwise = _UNKNOWN
            return False
        self.problem = ""
        for address, networks in changes.items():
            self._told[address] = networks
            if networks is None and self._otherwise is None:
                del self._told[address]
        return True

    def _failed(self, failure: OperationFailed) -> None:
        self.problem = f"what users may reach is kept by their Child SAs only: {failure}"
        logger.error(self.problem)
