"""The change feed: tells a process what another one changed: configuration, commands, sessions and the like.

PostgreSQL has LISTEN and NOTIFY. SQLite has a number that moves with every commit of another
connection (``PRAGMA data_version``): it is cheap to watch, but says nothing about what changed, and
every login moves it. So writers count configuration changes by topic in the table ``revisions``, in
the transaction that makes the change, and the watcher reads that only when the number moved.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, event, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from appliance import models

if TYPE_CHECKING:
    from appliance.database import Database

_CONFIGURED: Final = (
    models.User,
    models.Group,
    models.BasePolicy,
    models.Realm,
    models.Pool,
    models.Profile,
    models.Authority,
    models.Certificate,
    models.Command,
    models.Setting,
)
_LIVED: Final = (models.Session, models.Event, models.Refusal, models.Throttle, models.SecondFactor, models.Node)
_TRUSTED: Final = (models.Administrator, models.SignIn)

TRUST: Final = frozenset(model.__tablename__ for model in _TRUSTED)
"""Who may look at the panel: a page that somebody left open ends with the right to it."""
TOPICS: Final = TRUST | frozenset(model.__tablename__ for model in (*_CONFIGURED, *_LIVED))
"""What gateways follow, what they write, and who may look: pages follow all of it."""
_CHANNEL: Final = "coati"
_ANSWER_SECONDS: Final = 5.0
_TOUCHED: Final = "coati_topics"

_REVISIONS: Final[Any] = models.Revision.__table__
_READ_REVISIONS: Final = str(select(_REVISIONS.c.topic, _REVISIONS.c.number))
_NOTIFY: Final = text("SELECT pg_notify(:channel, :topics)")
_COUNT: Final = insert(_REVISIONS).on_conflict_do_update(
    index_elements=["topic"], set_={"number": _REVISIONS.c.number + 1}
)


def watch(session: Session) -> None:
    """Have ``session`` announce the topics that it changes, within its own transaction."""
    session.info[_TOUCHED] = set()
    event.listen(session, "after_flush", _after_flush)
    event.listen(session, "do_orm_execute", _on_execute)
    event.listen(session, "before_commit", _announce)


async def feed(
    database: "Database", *, poll_seconds: float = 0.25, silence_seconds: float = 15.0
) -> AsyncGenerator[frozenset[str]]:
    """Give the set of topics that changed, each time some did; the first time at once and all of them.

    A topic may be given although nothing changed (after a lost connection), never the other way.

    Args:
        database: Whose.
        poll_seconds: How often SQLite is looked at.
        silence_seconds: After so long without news PostgreSQL is asked whether it is still there.

    Raises:
        TimeoutError: it is not.
    """
    topics = _sqlite(database, poll_seconds) if database.is_sqlite else _postgresql(database, silence_seconds)
    async with aclosing(topics):
        async for changed in topics:
            yield changed


async def _sqlite(database: "Database", poll_seconds: float) -> AsyncGenerator[frozenset[str]]:
    # Straight from the driver: a look takes microseconds, and handing it to a thread took half a millisecond of CPU,
    # four times a second, all day, in each process.
    with closing(sqlite3.connect(_existing(database), uri=True, isolation_level=None, timeout=0.0)) as connection:
        version, known = _data_version(connection), _revisions(connection)
        yield TOPICS
        while True:
            await asyncio.sleep(poll_seconds)
            try:
                latest = _data_version(connection)
                if latest == version:
                    continue
                revisions = _revisions(connection)
            except sqlite3.OperationalError as failure:
                if failure.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    continue  # the next look will see it
                raise
            changed = frozenset(topic for topic, number in revisions.items() if known.get(topic) != number)
            version, known = latest, revisions
            if changed:
                yield changed


def _existing(database: "Database") -> str:
    """The file, which is not to be made if it is not there."""
    return f"{Path(str(database.engine.url.database)).absolute().as_uri()}?mode=rw"


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _revisions(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute(_READ_REVISIONS).fetchall())


async def _postgresql(database: "Database", silence_seconds: float) -> AsyncGenerator[frozenset[str]]:
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(f"LISTEN {_CHANNEL}")
        yield TOPICS
        while True:
            # It holds the connection's lock until it is closed.
            async with aclosing(driver.notifies(timeout=silence_seconds)) as notices:
                async for notice in notices:
                    yield frozenset(notice.payload.split(","))
            # A line that was cut somewhere on the way says nothing by itself: no change would be told ever again.
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await driver.execute("SELECT 1")
            except TimeoutError:
                await connection.invalidate()
                raise TimeoutError("the database does not answer any more") from None


def _after_flush(session: Session, _context: UOWTransaction) -> None:
    for changed in (session.new, session.dirty, session.deleted):
        session.info[_TOUCHED].update(
            row.__tablename__ for row in changed if session.is_modified(row) or row in session.deleted
        )


def _on_execute(state: ORMExecuteState) -> None:
    if (state.is_insert or state.is_update or state.is_delete) and state.bind_mapper is not None:
        state.session.info[_TOUCHED].add(state.bind_mapper.class_.__tablename__)


def _announce(session: Session) -> None:
    session.flush()  # before_commit comes before the commit's own flush
    topics = TOPICS & session.info[_TOUCHED]
    session.info[_TOUCHED] = set()
    announce(session.connection(), topics)


def announce(connection: Connection, topics: frozenset[str]) -> None:
    """Tell of ``topics`` when this transaction is committed: for writers that use no ORM session."""
    if not topics:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY, {"channel": _CHANNEL, "topics": ",".join(sorted(topics))})
    else:
        connection.execute(_COUNT, [{"topic": topic, "number": 1} for topic in sorted(topics)])
