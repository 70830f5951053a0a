import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, make_url, update

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
    async with asyncio.timeout(60):
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


class Line:
    """What stands between us and a server: it can stop carrying anything, and says so to nobody."""

    def __init__(self, there: Path) -> None:
        self._there = there
        self._carries = asyncio.Event()
        self._carries.set()
        self._pumps: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.StreamWriter] = []

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._there)
        self._ends += (writer, far_writer)
        for coming, going in ((reader, far_writer), (far_reader, writer)):
            self._pumps.append(asyncio.create_task(self._pump(coming, going)))

    def cut(self) -> None:
        self._carries.clear()

    async def close(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for end in self._ends:
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65536):
            await self._carries.wait()
            writer.write(octets)


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_a_line_that_is_cut_without_a_word_is_noticed(
    database: Database, empty_database_url: SecretStr, tmp_path: Path
) -> None:
    url = make_url(empty_database_url.get_secret_value())
    socket = ".s.PGSQL.5432"
    line = Line(Path(str(url.query["host"])) / socket)
    server = await asyncio.start_unix_server(line.carry, tmp_path / socket)
    ours = url.update_query_dict({"host": str(tmp_path)}).render_as_string(hide_password=False)
    watcher = Database.open(SecretStr(ours))
    async with server:
        feed = changes.feed(watcher, silence_seconds=0.2)
        assert await _next(feed) == changes.TOPICS
        await asyncio.sleep(0.5)  # it is asked, and is there
        async with database.transaction() as session:
            session.add(models.Pool(name="p", networks=()))
        assert await _next(feed) == {"pools"}
        line.cut()
        with pytest.raises(TimeoutError, match="does not answer any more"):
            async with asyncio.timeout(60):
                await anext(feed)
        await watcher.close()
        await line.close()
