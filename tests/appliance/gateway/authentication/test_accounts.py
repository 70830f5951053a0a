"""Users are found as they are now, and many at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text, update
from sqlalchemy.exc import OperationalError

from appliance import models
from appliance.auth.local import AccountsUnavailable
from appliance.gateway.authentication.accounts import StoredAccounts
from appliance.gateway.record.database_thread import DatabaseThread, NotAtHand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appliance.database import Database
    from appliance.installation import Installation

UNUSED = cast("Installation", None)  # it is for changing passwords


@pytest.fixture
async def reader(database: Database, empty_database_url: SecretStr) -> AsyncIterator[DatabaseThread]:
    async with database.transaction() as session:
        session.add_all(models.User(name=f"user{number}", password_hash=f"hash{number}") for number in range(50))
    thread = DatabaseThread(empty_database_url, "test-reader", writes=False)
    yield thread
    await thread.close()


@pytest.fixture
def nothing_at_hand(reader: DatabaseThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it always is with PostgreSQL."""

    def refuse(_: Any) -> Any:
        raise NotAtHand

    monkeypatch.setattr(reader, "look", refuse)


async def test_a_user_is_found_however_the_name_is_written(reader: DatabaseThread) -> None:
    account = await StoredAccounts(reader, UNUSED).find(" User7 ")
    assert account is not None
    assert (account.name, account.password_hash, account.enabled, account.expires_at) == ("user7", "hash7", True, None)


async def test_nobody_is_found_under_an_unknown_name(reader: DatabaseThread) -> None:
    accounts = StoredAccounts(reader, UNUSED)
    for name in ("nobody", "", "user7'--", "user%"):
        assert await accounts.find(name) is None


async def test_a_change_is_seen_at_once(reader: DatabaseThread, database: Database) -> None:
    accounts = StoredAccounts(reader, UNUSED)
    for wanted in (False, True):
        async with database.transaction() as session:
            await session.execute(update(models.User).where(models.User.name == "user1").values(enabled=wanted))
        account = await accounts.find("user1")
        assert account is not None
        assert account.enabled is wanted


async def test_looking_into_sqlite_takes_no_thread(reader: DatabaseThread, database: Database) -> None:
    assert await StoredAccounts(reader, UNUSED).find("user1") is not None
    assert reader.transactions == (0 if database.is_sqlite else 1)


@pytest.mark.usefixtures("nothing_at_hand")
async def test_logins_at_once_share_a_query(reader: DatabaseThread) -> None:
    accounts = StoredAccounts(reader, UNUSED)
    found = await asyncio.gather(*(accounts.find(f"user{number}") for number in range(50)), accounts.find("nobody"))
    assert [account.name if account else None for account in found] == [*(f"user{n}" for n in range(50)), None]
    assert reader.transactions == 1


@pytest.mark.usefixtures("nothing_at_hand")
async def test_who_asks_while_a_query_runs_is_answered_by_the_next(
    reader: DatabaseThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = StoredAccounts(reader, UNUSED)
    real = reader.run
    late: list[asyncio.Future[Any]] = []

    async def slow(work: Any) -> Any:
        if not late:
            late.append(asyncio.ensure_future(accounts.find("user1")))
            await asyncio.sleep(0)  # it asks while this query is under way
        return await real(work)

    monkeypatch.setattr(reader, "run", slow)
    await accounts.find("user1")
    await late[0]
    assert reader.transactions == 2


async def test_a_name_that_no_user_can_have_does_not_spoil_the_query_of_others(reader: DatabaseThread) -> None:
    accounts = StoredAccounts(reader, UNUSED)
    found = await asyncio.gather(accounts.find("user1"), accounts.find("a\x00b"), accounts.find("\udc80x"))
    assert [account.name if account else None for account in found] == ["user1", None, None]


@pytest.mark.usefixtures("nothing_at_hand")
async def test_who_gives_up_does_not_take_the_others_along(reader: DatabaseThread) -> None:
    accounts = StoredAccounts(reader, UNUSED)
    first, second = (asyncio.create_task(accounts.find("user1")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second) is not None


async def test_a_look_that_fails_is_left_to_the_thread_and_the_next_one_works(
    reader: DatabaseThread, database: Database
) -> None:
    def read(connection: Connection) -> Any:
        return connection.execute(text("SELECT count(*) FROM users")).scalar_one()

    def busy(connection: Connection) -> Any:
        read(connection)
        raise OperationalError("SELECT", None, Exception("database is locked"))

    with pytest.raises(NotAtHand):
        reader.look(busy)
    assert await reader.run(read) == 50
    if database.is_sqlite:
        assert reader.look(read) == 50


async def test_a_database_that_cannot_be_read_is_no_unknown_user(tmp_path: Path) -> None:
    away = DatabaseThread(SecretStr(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/coati.db"), "away", writes=False)
    with pytest.raises(AccountsUnavailable, match="unable to open"):
        await StoredAccounts(away, UNUSED).find("user1")
    await away.close()
