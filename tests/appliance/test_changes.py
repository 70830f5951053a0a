import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, update

from appliance import changes, models
from appliance.database import Database


@pytest.fixture
async def feed(
    database: Database,  # noqa: ARG001  what is watched must have tables
    empty_database_url: SecretStr,
) -> AsyncIterator[AsyncIterator[frozenset[str]]]:
    watcher = Database.open(empty_database_url)
    iterator = changes.feed(watcher, poll_seconds=0.01)
    assert await anext(iterator) == changes.TOPICS
    yield iterator
    await iterator.aclose()
    await watcher.close()


async def _next(feed: AsyncIterator[frozenset[str]]) -> frozenset[str]:
    async with asyncio.timeout(10):
        return await anext(feed)


async def test_rows_added_changed_and_removed_are_announced(
    database: Database, feed: AsyncIterator[frozenset[str]]
) -> None:
    async with database.transaction() as session:
        session.add(user := models.User(name="alice", password_hash="x"))
    assert await _next(feed) == {"users"}
    async with database.transaction() as session:
        (await session.get_one(models.User, user.id)).enabled = False
    assert await _next(feed) == {"users"}
    async with database.transaction() as session:
        await session.delete(await session.get_one(models.User, user.id))
    assert await _next(feed) == {"users"}


async def test_statements_are_announced_too(database: Database, feed: AsyncIterator[frozenset[str]]) -> None:
    async with database.transaction() as session:
        await session.execute(update(models.User).values(enabled=False))
        await session.execute(delete(models.Profile))
    assert await _next(feed) == {"users", "profiles"}


async def test_leases_are_told_by_nobody(database: Database, feed: AsyncIterator[frozenset[str]]) -> None:
    async with database.transaction() as session:
        await session.execute(update(models.Lease).values(free_since=None))
    async with database.transaction() as session:
        session.add(models.Command(node="n", verb=models.Verb.RELOAD, created_by="test"))
    assert await _next(feed) == {"commands"}


async def test_what_is_rolled_back_is_not_announced(database: Database, feed: AsyncIterator[frozenset[str]]) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as session:
            session.add(models.User(name="alice", password_hash="x"))
            await session.flush()
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await add_and_fail()
    async with database.transaction() as session:
        session.add(models.Pool(name="p", networks=()))
    assert await _next(feed) == {"pools"}


async def test_what_gateways_write_without_a_session_is_told_too(
    database: Database, feed: AsyncIterator[frozenset[str]]
) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(changes.announce, frozenset({"sessions", "nodes"}))
    assert await _next(feed) == {"sessions", "nodes"}
