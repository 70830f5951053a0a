"""Writes what many logins leave behind in one transaction, behind their backs.

Nobody waits for a disk: changes are noted in memory, and one task writes all that came together
while it slept or wrote. A database that is away is tried again; what was noted meanwhile waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from appliance.gateway.record.database_thread import AWAY, DatabaseThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

logger = structlog.get_logger(__name__)

# As long as the panel's pages take to look again: nobody sees a row sooner than that.
_GATHER_SECONDS = 0.25
_RETRY_SECONDS = 1.0


class Batch(Protocol):
    """Changes on their way to the database."""

    def write(self, connection: Connection) -> None:
        """Write all of them; runs in a thread, in a transaction."""

    def write_one_by_one(self, connection: Connection) -> None:
        """Write each by itself, leaving out and logging those that the database refuses."""

    def committed(self) -> None:
        """They are in the database; called in the event loop."""

    def failed(self) -> None:
        """They are not: keep them for the next batch; called in the event loop."""


class GroupCommit:
    """The one writer of a gateway.

    Args:
        thread: Where transactions run.
        collect: Gives all changes noted since it was asked last, or ``None``.
        noted: Set when there is something to write.
        gather_seconds: How long to wait for company before writing.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        thread: DatabaseThread,
        collect: Callable[[], Batch | None],
        noted: asyncio.Event,
        *,
        gather_seconds: float = _GATHER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._thread = thread
        self._collect = collect
        self._gather_seconds = gather_seconds
        self._sleep = sleep
        self._noted = noted
        self._writing = asyncio.Lock()
        self._away = False

    async def run(self) -> None:
        """Write whatever is noted, until cancelled."""
        while True:
            await self._noted.wait()
            await self._sleep(self._gather_seconds)
            self._noted.clear()
            if not await self.flush():
                await self._sleep(_RETRY_SECONDS)
                self._noted.set()

    async def flush(self) -> bool:
        """Write now all that is noted; ``False``: the database is away and it stays noted.

        A caller that is cancelled leaves the writing to go on.
        """
        return await asyncio.shield(asyncio.ensure_future(self._flush()))

    async def _flush(self) -> bool:
        async with self._writing:
            if (batch := self._collect()) is None:
                return True
            try:
                await self._write(batch)
            except AWAY as failure:
                batch.failed()
                if not self._away:
                    self._away = True
                    logger.error(  # noqa: TRY400  the words say it all
                        "the database cannot be written; trying again", error=str(failure.__cause__ or failure)
                    )
                return False
            batch.committed()
            if self._away:
                self._away = False
                logger.info("the database can be written again; nothing is lost")
            return True

    async def _write(self, batch: Batch) -> None:
        try:
            await self._thread.run(batch.write)
        except AWAY:
            raise
        except Exception:
            logger.exception("the database refuses a row; writing row by row")
            await self._thread.run(batch.write_one_by_one)
