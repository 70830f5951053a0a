"""One thread with one connection, for what is done at every login.

An async driver hops between threads for every statement; here a whole transaction is one hop, and
what many logins want is done in it together. To look up a row in SQLite costs less than one hop: no
server is asked and no writer is waited for, so that is done where it is wanted.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from appliance.database import blocking_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr
    from sqlalchemy import Connection

T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)

_WAIT_FOR_NOBODY: Final = text("PRAGMA busy_timeout = 0")


class NotAtHand(Exception):
    """What is wanted may take time: ``DatabaseThread.run`` gets it."""


class DatabaseThread:
    """Runs transactions one after the other.

    Attributes:
        transactions: How many were committed.
        cpu_seconds: Processor time that the thread spent in them.
    """

    def __init__(self, url: SecretStr, name: str, *, writes: bool) -> None:
        self.transactions = 0
        self.cpu_seconds = 0.0
        self._writes = writes
        self._engine = blocking_engine(url, writes=writes)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: Connection | None = None
        self._at_hand: Connection | None = None

    def look(self, work: Callable[[Connection], T]) -> T:
        """Have ``work`` look up a few rows here and now, as the latest commit left them.

        Raises:
            NotAtHand: the database is not SQLite, or not to be read at this moment.
        """
        if self._writes or self._engine.dialect.name != "sqlite":
            raise NotAtHand
        try:
            if self._at_hand is None:
                self._at_hand = self._engine.connect()
                self._at_hand.execute(_WAIT_FOR_NOBODY)
            return work(self._at_hand)
        except DBAPIError as failure:
            connection, self._at_hand = self._at_hand, None
            if connection is not None:
                connection.close()
            raise NotAtHand from failure

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Have ``work`` done in a transaction of its own.

        When the caller is cancelled the transaction is completed all the same.

        Raises:
            Exception: what ``work`` raised; it was rolled back. One of ``AWAY``: try again later.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._transact, work)

    async def close(self) -> None:
        """Finish what was handed over and close the connections."""
        if self._at_hand is not None:
            self._at_hand.close()
            self._at_hand = None
        await asyncio.get_running_loop().run_in_executor(self._executor, self._disconnect)
        self._executor.shutdown()
        self._engine.dispose()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        started = time.thread_time()
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin():
                result = work(self._connection)
        except DBAPIError:
            self._disconnect()  # the next transaction starts on a fresh connection
            raise
        finally:
            self.cpu_seconds += time.thread_time() - started
        self.transactions += 1
        return result

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
