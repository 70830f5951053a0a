"""One thread with one connection, for what is done at every login.

An async driver hops between threads for every statement; here a whole transaction is one hop, and
what many logins want is done in it together.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from appliance.database import blocking_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr
    from sqlalchemy import Connection

T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)


class DatabaseThread:
    """Runs transactions one after the other.

    Attributes:
        transactions: How many were committed.
        cpu_seconds: Processor time that the thread spent in them.
    """

    def __init__(self, url: SecretStr, name: str, *, writes: bool) -> None:
        self.transactions = 0
        self.cpu_seconds = 0.0
        self._engine = blocking_engine(url, writes=writes)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: Connection | None = None

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Have ``work`` done in a transaction of its own.

        When the caller is cancelled the transaction is completed all the same.

        Raises:
            Exception: what ``work`` raised; it was rolled back. One of ``AWAY``: try again later.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._transact, work)

    async def close(self) -> None:
        """Finish what was handed over and close the connection."""
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
