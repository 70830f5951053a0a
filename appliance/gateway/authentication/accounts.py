"""Finds local users for the local realm: each login sees the latest commit; those that must wait share one query."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr
from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from appliance import models
from appliance.auth.local import Account, AccountsUnavailable
from appliance.errors import ApplianceError
from appliance.gateway.record.database_thread import DatabaseThread, NotAtHand
from appliance.installation import Actor
from appliance.policy.attributes import NOTHING_SAID, AccessPolicy
from appliance.users import service as users
from appliance.users.schemas import UserChange, login_name

if TYPE_CHECKING:
    from appliance.installation import Installation

_USERS: Final[Table] = models.User.metadata.tables["users"]
_GROUPS: Final[Table] = models.User.metadata.tables["groups"]
_BY_NAME: Final = (
    select(
        _USERS.c.id,
        _USERS.c.name,
        _USERS.c.password_hash,
        _USERS.c.enabled,
        _USERS.c.expires_at,
        _USERS.c.must_change_password,
        _GROUPS.c.name,
        _USERS.c.policy,
    )
    .outerjoin_from(_USERS, _GROUPS, _USERS.c.group_id == _GROUPS.c.id)
    .where(_USERS.c.name == bindparam("name"))
)


class StoredAccounts:
    """The users table, read by a thread; written only when a user chooses a new password.

    Args:
        thread: Reads.
        installation: Where a new password is kept.
    """

    def __init__(self, thread: DatabaseThread, installation: Installation) -> None:
        self._thread = thread
        self._installation = installation
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
        with suppress(NotAtHand):
            return self._thread.look(partial(_account, name=name))
        # Whoever asks while a query runs joins the next one: an answer is never older than its question.
        if (wanted := self._wanted.get(name)) is None:
            wanted = self._wanted[name] = asyncio.get_running_loop().create_future()
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        return await asyncio.shield(wanted)

    async def change_password(self, username: str, password: str, source: str) -> str:
        """Set the password that a user chose; give why not, or nothing when it is set.

        Raises:
            AccountsUnavailable: the database cannot be written.
        """
        actor = Actor(f"user {username} at a login", source)
        try:
            async with self._installation.transaction(actor) as work:
                await users.change(work, username, UserChange(password=SecretStr(password)))
        except ApplianceError as refusal:
            return str(refusal)
        except SQLAlchemyError as failure:
            raise AccountsUnavailable(str(failure.__cause__ or failure)) from failure
        return ""

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
    key, name, password_hash, enabled, expires_at, must_change_password, group, policy = row
    return Account(
        key=key,
        name=name,
        password_hash=password_hash,
        enabled=enabled,
        expires_at=expires_at,
        must_change_password=must_change_password,
        group=group or "",
        policy=AccessPolicy.model_validate(policy) if policy else NOTHING_SAID,
    )
