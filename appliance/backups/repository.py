"""All tables as plain values, out of one database and into another: SQLite's or PostgreSQL's, in any direction.

Tables are read as the database describes them, not as our models do: a backup is restored at the
revision that it was made at, and migrated from there.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, Connection, DateTime, LargeBinary, MetaData, Table, func, insert, inspect, select, update

from appliance.database import alembic_config
from appliance.models import Lease, Session
from appliance.models.columns import now
from ike_engine.events import Goodbye

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Column

_ALEMBIC: Final = "alembic_version"
PASSING: Final = frozenset(
    {
        *("backup_runs", "ceremonies", "commands", "node_names", "nodes", "portal_sign_ins", "revisions", "sign_ins"),
        "stored_stays",
    }
)
"""Tables of the moment: gateways, orders, who is signed in. After a restore they begin anew."""

Rows = list[list[Any]]


def revision(connection: Connection) -> str:
    """Tell which revision the tables have."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  as in database: few need it

    return MigrationContext.configure(connection).get_current_revision() or ""


def knows(number: str) -> bool:
    """Whether our migrations lead on from this revision."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415  the same
    from alembic.util.exc import CommandError  # noqa: PLC0415  the same

    try:
        return bool(ScriptDirectory.from_config(alembic_config()).get_revision(number))
    except CommandError:
        return False


def is_used(connection: Connection) -> bool:
    """Whether there is any table."""
    return bool(inspect(connection).get_table_names())


def dump(connection: Connection) -> dict[str, dict[str, Any]]:
    """Give every table that is kept: its columns and its rows."""
    dumped = {}
    for table in _tables(connection):
        if table.name not in PASSING:
            rows = connection.execute(select(table).order_by(*table.primary_key.columns))
            dumped[table.name] = {
                "columns": [column.name for column in table.columns],
                "rows": [[_plain(value) for value in row] for row in rows],
            }
    return dumped


def load(connection: Connection, dumped: Mapping[str, Mapping[str, Any]], at: str) -> None:
    """Make the tables as they were, fill them, and bring them up to date. Nobody is connected any more.

    Args:
        connection: Of a database without tables, in a transaction.
        dumped: From ``dump``.
        at: Revision that they had.
    """
    from alembic import command  # noqa: PLC0415  the same

    config = alembic_config(connection)
    command.upgrade(config, at)
    for table in _tables(connection):
        if table.name in dumped:
            _fill(connection, table, dumped[table.name]["columns"], dumped[table.name]["rows"])
    command.upgrade(config, "head")
    moment = now()
    connection.execute(
        update(Session)
        .where(Session.ended_at.is_(None))
        .values(ended_at=moment, goodbye=Goodbye.FAILED.value, goodbye_reason="restored from a backup")
    )
    connection.execute(update(Lease).where(Lease.free_since.is_(None)).values(free_since=moment, node=None))


def counts(connection: Connection) -> dict[str, int]:
    """Tell how many rows each table that is kept has."""
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in _tables(connection)
        if table.name not in PASSING
    }


def _tables(connection: Connection) -> list[Table]:
    """All tables, those that others refer to first."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return [table for table in metadata.sorted_tables if table.name != _ALEMBIC]


def _fill(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    if table.name not in PASSING and rows:
        into = [table.columns[name] for name in columns]
        connection.execute(
            insert(table),
            [
                {column.name: _stored(column, value, connection) for column, value in zip(into, row, strict=True)}
                for row in rows
            ],
        )
    if connection.dialect.name == "postgresql":
        for column in table.primary_key.columns:
            sequence = connection.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
            if sequence is not None:
                highest = connection.scalar(select(func.max(column)))
                connection.execute(select(func.setval(sequence, highest or 1, highest is not None)))


def _plain(value: object) -> object:
    match value:
        case datetime():
            return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        case bytes() | memoryview():
            return b64encode(value).decode()
        case _:
            return value


def _stored(column: Column[Any], value: Any, connection: Connection) -> object:  # noqa: ANN401  the column has the type
    if value is None:
        return None
    if isinstance(column.type, DateTime):
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=None) if connection.dialect.name == "sqlite" else moment
    if isinstance(column.type, LargeBinary):
        return b64decode(value)
    return value
