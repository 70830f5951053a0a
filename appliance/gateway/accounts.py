"""Finds local users for the local realm: concurrent logins share one query, each sees the latest commit."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, select

from appliance import models
from appliance.auth.local import Account, AccountsUnavailable
from appliance.users.schemas import login_name

if TYPE_CHECKING:
    from appliance.gateway.database_thread import DatabaseThread

_USERS = models.User.__table__
_BY_NAME: Final = select(_USERS.c.id, _USERS.c.name, _USERS.c.password_hash, _USERS.c.enabled).where(
    _USERS.c.name == bindparam("name")
)


class StoredAccounts:
    """The users table, read by a thread."""

    def __init__(self, thread: DatabaseThread) -> None:
        self._thread = thread
        self._wanted: dict[str, asyncio.Future[Account | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def find(self, username: str) -> Account | None:
        """Give the user of this name, however it is written.

        Raises:
            AccountsUnavailable: the database cannot be read.
        """
        try:
            name = login_name(username)
        except ValueError:
            return None
        if not name.isprintable():  # half of a surrogate pair, say: no database takes it, and no user is called so
            return None
        # Whoever asks while a query runs joins the next one: an answer is never older than its question.
        if (wanted := self._wanted.get(name)) is None:
            wanted = self._wanted[name] = asyncio.get_running_loop().create_future()
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        return await asyncio.shield(wanted)

    async def _read(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                found = await self._thread.run(partial(_query, list(wanted)))
            except Exception as failure:  # noqa: BLE001  whatever it is, who waits must not wait for ever
                for future in wanted.values():
                    future.set_exception(AccountsUnavailable(str(failure.__cause__ or failure)))
                    future.exception()  # who asked may have given up
            else:
                for name, future in wanted.items():
                    future.set_result(found[name])
        self._reader = None


def _query(names: list[str], connection: Connection) -> dict[str, Account | None]:
    # One statement a name: a list of varying length would be compiled anew each time.
    return {name: _account(connection, name) for name in names}


def _account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(_BY_NAME, {"name": name}).first()
    if row is None:
        return None
    key, name, password_hash, enabled = row
    return Account(key=key, name=name, password_hash=password_hash, enabled=enabled, expires_at=None)
