"""The database: one engine a process, one transaction a unit of work.

SQLite (WAL) on one machine, PostgreSQL for several gateways; nothing above this module knows which.
Errors never show a statement's parameters: password hashes and sealed keys are among them.
Transactions that will write take turns: what one decides upon (is another owner left? is this still what
was seen?) is so until it is committed. SQLite's write lock is taken when one begins, so that it waits for its
turn (``busy_timeout``) instead of failing when it turns from reading to writing; PostgreSQL has an advisory
lock for it. Gateways note what happens by statements that decide by themselves (``blocking_engine``), and
wait for nobody.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar, cast
from weakref import WeakKeyDictionary

import structlog
from pydantic import SecretStr
from pydantic_core import from_json
from sqlalchemy import Connection, CursorResult, Engine, Result, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from appliance import changes
from appliance.data_directory import open_private, write_private
from appliance.errors import Invalid

if TYPE_CHECKING:
    from alembic.config import Config

logger = structlog.get_logger(__name__)

T = TypeVar("T")

_BUSY_MILLISECONDS: Final = 10_000
_BEGIN: Final = "coati_begin"
_TO_READ, _TO_WRITE = "BEGIN", "BEGIN IMMEDIATE"
# Any numbers will do, as long as nobody else locks them in the same database.
_MIGRATION_LOCK: Final = 7_305_805_437_236
_COPIES_KEPT: Final = 3
# Alembic knows one migration a process (``alembic.context``), also when two databases are restored at once.
_REWORKING: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()
_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(7305805437237)"


class _LettingGo(sqlite3.Connection):
    """A connection that is out of its transaction once it is closed.

    SQLite keeps one with a statement that was not read to its end, and with it the writer's lock, until the cursor is
    collected as garbage: so it goes for whoever is cancelled in between.
    """

    def close(self) -> None:
        """Roll back, and close."""
        with contextlib.suppress(sqlite3.Error):
            self.rollback()
        super().close()


class Database:
    """Connections to the database and the transactions on them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._writers = async_sessionmaker(
            engine.execution_options(**{_BEGIN: _TO_WRITE}), class_=AsyncSession, expire_on_commit=False
        )
        # SQLite's readers see one moment anyway.
        moment = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._readers = async_sessionmaker(
            engine.execution_options(**{_BEGIN: _TO_READ}, **moment), class_=AsyncSession, expire_on_commit=False
        )

    @classmethod
    def open(cls, url: SecretStr) -> Self:
        """Open (lazily) the database that ``Settings.effective_database_url`` names."""
        parsed = make_url(url.get_secret_value())
        if parsed.get_backend_name() != "sqlite":
            engine = create_async_engine(parsed, pool_pre_ping=True, hide_parameters=True, json_deserializer=from_json)
            event.listen(engine.sync_engine, "begin", _begin_postgresql)
            return cls(engine)
        engine = create_async_engine(
            parsed,
            pool_size=8,
            max_overflow=8,
            hide_parameters=True,
            json_deserializer=from_json,  # half of what a page of sessions took to read was json.loads
            connect_args={"factory": _LettingGo},
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return cls(engine)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may write: committed at the end, rolled back by an exception."""
        async with self._writers() as session, session.begin():
            changes.watch(session.sync_session)
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A consistent view for reading; nothing written in it is kept."""
        async with self._readers() as session:
            yield session

    async def migrate(self) -> None:
        """Bring the tables up to what this version of the software expects; one process at a time.

        When they are, it takes one question: neither a writer's turn nor the migrations themselves. An embedded
        database is copied first: ``coati-at-REVISION-MOMENT.db`` beside it, the last three are kept.

        Raises:
            Invalid: the tables are of a newer version.
            OSError: no copy can be made; nothing was changed.
        """
        if await self._revision() != newest_revision():
            await self.rework(_upgrade)

    async def _revision(self) -> str:
        """Tell which revision the tables have; empty: there are none, or not even a database."""
        if self.is_sqlite and not await asyncio.to_thread(Path(str(self.engine.url.database)).exists):
            return ""
        try:
            async with self.snapshot() as session:
                return str(await session.scalar(text("SELECT version_num FROM alembic_version")) or "")
        except DatabaseError:
            return ""

    async def rework(self, work: Callable[[Connection], T]) -> T:
        """Have ``work`` change the tables themselves, all or nothing; one process at a time, and one in this one."""
        writer = self.engine.execution_options(**{_BEGIN: _TO_WRITE})
        turn = _REWORKING.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn, self._sole_migrator(), writer.connect() as connection:
            done = await connection.run_sync(work)
            await connection.commit()
            return done

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    @asynccontextmanager
    async def _sole_migrator(self) -> AsyncIterator[None]:
        """Hold other processes back. PostgreSQL does it by an advisory lock in the transaction itself."""
        if not self.is_sqlite:
            yield
            return
        with await asyncio.to_thread(_lock_beside, Path(str(self.engine.url.database))):
            yield


def blocking_engine(url: SecretStr, *, writes: bool) -> Engine:
    """Give an engine for one thread that runs statement after statement; same rules as ``Database``.

    Args:
        url: ``Settings.effective_database_url``.
        writes: Its transactions write. One that only reads sees the latest commit with each statement.
    """
    parsed = make_url(url.get_secret_value())
    options: dict[str, Any] = {"hide_parameters": True} | ({} if writes else {"isolation_level": "AUTOCOMMIT"})
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, **options)
    engine = create_engine(parsed.set(drivername="sqlite"), **options)
    event.listen(engine, "connect", _prepare_sqlite)
    if not writes:
        return engine
    event.listen(engine, "begin", _begin_sqlite)
    return engine.execution_options(**{_BEGIN: _TO_WRITE})


def affected(result: Result[Any]) -> int:
    """Tell how many rows a statement changed."""
    return cast("CursorResult[Any]", result).rowcount


def newest_revision() -> str:
    """Tell which revision the tables have when all migrations are done: the last by the files' names."""
    return max(file.name for file in (_migrations() / "versions").glob("v*_*.py")).partition("_")[0].removeprefix("v")


def _migrations() -> Path:
    package = importlib.util.find_spec("migrations")
    if package is None or package.origin is None:
        raise RuntimeError("the package 'migrations' is not installed beside 'appliance'")
    return Path(package.origin).parent


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration: the scripts in the ``migrations`` package, on this connection."""
    from alembic.config import Config  # noqa: PLC0415  takes 0.2 s, which only a migration needs

    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  the same
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  the same

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    before, after = MigrationContext.configure(connection).get_current_revision() or "", newest_revision()
    if before > after:
        raise Invalid(
            f"the database was brought up to date by a newer Coati (revision {before}; this one knows {after})",
            remedy="install the newer one again, or put back what it was before (docs/operating.md, Upgrading)",
        )
    if before and before != after:
        copied = {}
        if connection.dialect.name == "sqlite":
            copied["copy"] = str(_copy_aside(Path(str(connection.engine.url.database)), before))
        logger.info("bringing the tables up to date", before=before, after=after, **copied)
    command.upgrade(alembic_config(connection), "head")


def _copy_aside(file: Path, revision: str) -> Path:
    """Copy a database whose writers' turn we have; forget the oldest copies."""
    copy = file.with_name(f"{file.stem}-at-{revision}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}{file.suffix}")
    write_private(copy, b"")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for older in sorted(file.parent.glob(f"{file.stem}-at-*{file.suffix}"))[:-_COPIES_KEPT]:
        older.unlink()
    return copy


def _lock_beside(file: Path) -> IO[bytes]:
    """Wait for the lock on a file beside the database, and make the database's if it is missing."""
    lock = file.with_name(file.name + ".lock")
    held = os.fdopen(open_private(lock, os.O_WRONLY | os.O_CREAT), "wb")
    fcntl.flock(held, fcntl.LOCK_EX)
    with contextlib.suppress(FileExistsError):
        write_private(file, b"")
    return held


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    # NORMAL with WAL syncs at checkpoints only: a login does not wait for the disk, a power cut may
    # take the last moments but never the consistency.
    for pragma in (
        f"busy_timeout = {_BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, _TO_READ))


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(_BEGIN) == _TO_WRITE:
        connection.exec_driver_sql(_TAKE_TURN)
