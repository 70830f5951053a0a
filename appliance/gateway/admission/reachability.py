"""Has the keeper's firewall let each client reach what its user may reach, and nothing else.

Who may reach everything costs nothing. For the others a login waits until the firewall knows: all
that came together meanwhile is one operation. Where no firewall can be had the Child SAs are
narrowed instead (``Configuration.filtered``), which a change of policy reaches at the next login only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from appliance.policy.effective import EVERYTHING
from ike_engine.dataplane.blocked import Blocked
from ike_engine.runtime.operations import MOST_ADDRESSES, LetReach, OperationFailed, Reach

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from ike_engine.runtime.operations import Operation

logger = structlog.get_logger(__name__)

Networks = tuple["IPv4Network", ...]
_UNKNOWN: Final = object()


class Firewall(Protocol):
    """The keeper, as far as it matters here (``runtime.operations.Keeper``)."""

    async def perform(self, operation: Operation, /) -> None:
        """Have an operation done, or raise ``OperationFailed``."""

    async def blocked(self) -> Blocked:
        """Count what was turned away, or raise ``OperationFailed``."""


class Reachability:
    """What the firewall was told, and what it shall be told.

    Args:
        keeper: Keeps the firewall; ``None``: nobody does.

    Attributes:
        problem: Why the firewall cannot be told, in words; empty when it can.
    """

    def __init__(self, keeper: Firewall | None) -> None:
        self.problem = ""
        self._keeper = keeper
        self._told: dict[IPv4Network, Networks | None] = {}
        self._otherwise: object = _UNKNOWN
        self._changes: dict[IPv4Network, Networks | None] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._teller: asyncio.Task[None] | None = None

    async def begin(self, *, orphans: bool) -> None:
        """Know where to start from: a gateway that crashed may have left limits behind.

        Args:
            orphans: Its Child SAs carry on. Their limits must as well, so each client is told of before
                somebody else gets its address.
        """
        if self._keeper is None or orphans:
            return
        try:
            await self._keeper.perform(LetReach(afresh=True))
        except OperationFailed as failure:
            self._failed(failure)
        else:
            self._otherwise = None

    async def let(self, sources: Networks, networks: Networks) -> bool:
        """Let a client reach these networks and nothing else; ``False``: there is no firewall to see to it.

        Args:
            sources: Its address, and the networks behind it.
            networks: What it may reach.
        """
        if self._keeper is None:
            return False
        if not self._note(sources, networks):
            return True
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(outcome)
        return await outcome

    def change(self, sources: Networks, networks: Networks) -> None:
        """The same for a session that goes on; nobody waits."""
        if self._keeper is not None:
            self._note(sources, networks)

    async def blocked(self) -> Blocked:
        """Learn what the firewall turned away since the last time."""
        if self._keeper is not None:
            try:
                return await self._keeper.blocked()
            except OperationFailed as failure:
                logger.debug("what was turned away cannot be counted", why=str(failure))
        return Blocked({}, 0)

    def forget(self, sources: Networks) -> None:
        """Nobody has these any more."""
        self.change(sources, EVERYTHING)

    def _note(self, sources: Networks, networks: Networks) -> bool:
        """Have it told; whether there is something to tell."""
        wanted = None if networks == EVERYTHING else networks
        news = [
            source for source in sources if source in self._changes or self._told.get(source, self._otherwise) != wanted
        ]
        self._changes |= dict.fromkeys(news, wanted)
        if news and self._teller is None:
            self._teller = asyncio.create_task(self._tell())
        return bool(news)

    async def _tell(self) -> None:
        try:
            while self._changes:
                changes = dict(list(self._changes.items())[:MOST_ADDRESSES])
                whole = len(changes) == len(self._changes)
                for source in changes:
                    del self._changes[source]
                waiting = self._waiting if whole else []
                self._waiting = [] if whole else self._waiting
                done = await self._try(changes)
                for outcome in waiting:
                    if not outcome.done():
                        outcome.set_result(done)
        finally:
            self._teller = None

    async def _try(self, changes: dict[IPv4Network, Networks | None]) -> bool:
        by_networks: dict[Networks, list[IPv4Network]] = {}
        for source, networks in changes.items():
            if networks is not None:
                by_networks.setdefault(networks, []).append(source)
        order = LetReach(
            tuple(Reach(networks, tuple(sources)) for networks, sources in by_networks.items()),
            tuple(source for source, networks in changes.items() if networks is None),
        )
        try:
            if self._keeper is not None:
                await self._keeper.perform(order)
        except OperationFailed as failure:
            self._failed(failure)
            for source in changes:
                self._told.pop(source, None)
            self._otherwise = _UNKNOWN
            return False
        self.problem = ""
        for source, networks in changes.items():
            self._told[source] = networks
            if networks is None and self._otherwise is None:
                del self._told[source]
        return True

    def _failed(self, failure: OperationFailed) -> None:
        self.problem = f"what users may reach is kept by their Child SAs only: {failure}"
        logger.error(self.problem)
