"""The rows of a gateway: what one transaction writes, in which statements, and the leases it starts from.

Core statements, compiled once and run with many rows each: no ORM object is made on the way of a login.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import Connection, Delete, Insert, Table, Update, and_, bindparam, insert, or_, select, update

from appliance import changes, models
from appliance.gateway.admission.leases import LeaseRow
from appliance.gateway.record.database_thread import AWAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.gateway.record.observers import Written

logger = structlog.get_logger(__name__)

Row = dict[str, Any]

_SESSIONS: Final[Table] = models.Session.metadata.tables["sessions"]
_LEASES: Final[Table] = models.Lease.metadata.tables["leases"]
_USERS: Final[Table] = models.User.metadata.tables["users"]
_REFUSALS: Final[Table] = models.Refusal.metadata.tables["refusals"]
_COMMANDS: Final[Table] = models.Command.metadata.tables["commands"]
_NODES: Final[Table] = models.Node.metadata.tables["nodes"]

TRAFFIC: Final = ("octets_in", "octets_out", "packets_in", "packets_out", "rate_in", "rate_out", "last_heard_at")
"""Columns of ``sessions`` that traffic changes."""

CHANGING: Final = (
    *TRAFFIC,
    "peer_address",
    "peer_port",
    "local_address",
    "ike_suite",
    "esp_suite",
    "group",
    "ends_at",
    "liveness",
    "packets_blocked",
    "dpd_probe",
    "dpd_probes",
    "round_trip_seconds",
    "ended_at",
    "goodbye",
    "goodbye_reason",
    "details",
)
"""Columns of ``sessions`` that change while a session lives."""


def _update(table: Table, key: str, *columns: str) -> Update:
    """Update these columns of the row whose ``key`` is the parameter ``row``."""
    return update(table).where(table.c[key] == bindparam("row")).values({name: bindparam(name) for name in columns})


_ADD_SESSION: Final = insert(_SESSIONS).returning(_SESSIONS.c.id, sort_by_parameter_order=True)
_CHANGE_SESSION: Final = _update(_SESSIONS, "id", *CHANGING)
_COUNT_SESSION: Final = _update(_SESSIONS, "id", *TRAFFIC)
# What another gateway has, or this one gave anew meanwhile, stays as it is: the change is from before.
_CHANGE_LEASE: Final = _update(_LEASES, "id", "user", "taken_at", "free_since", "node", "networks").where(
    or_(
        _LEASES.c.free_since.is_not(None),
        and_(_LEASES.c.node == bindparam("of_node"), _LEASES.c.taken_at <= bindparam("not_after")),
    )
)
# A login is no change of the user: its ``changed_at`` must stay.
_LOGGED_IN: Final = _update(_USERS, "id", "last_login_at").values(changed_at=_USERS.c.changed_at)
_ADD_REFUSAL: Final = insert(_REFUSALS)
_FINISH_COMMAND: Final = _update(_COMMANDS, "id", "outcome", "message", "result", "secret", "finished_at")
_BEAT: Final = _update(_NODES, "name", "heartbeat_at", "serving", "realms", "problems", "counters")


@dataclass(slots=True, kw_only=True)
class Rows:
    """What one transaction writes.

    Attributes:
        added: New rows of ``sessions``.
        changed: The ``CHANGING`` columns of sessions that something happened to.
        counted: The same for those that only carried traffic.
        leases: Addresses taken or freed.
        logins: ``last_login_at`` of users.
        refusals: Clients turned away.
        commands: Outcomes of commands.
        nodes: The status of this gateway.
        observed: What observers of sessions want written.
        keys: Filled in by writing: the keys of ``added``; ``None`` for a row that was refused.
    """

    added: Sequence[Row] = ()
    changed: Sequence[Row] = ()
    counted: Sequence[Row] = ()
    leases: Sequence[Row] = ()
    logins: Sequence[Row] = ()
    refusals: Sequence[Row] = ()
    commands: Sequence[Row] = ()
    nodes: Sequence[Row] = ()
    observed: Sequence[Written] = ()
    keys: list[int | None] = field(default_factory=list)

    def write(self, connection: Connection) -> None:
        """Write all of them: one statement a kind."""
        self.keys = []
        if self.added:
            self.keys = list(connection.execute(_ADD_SESSION, self.added).scalars())
        for statement, rows in self._statements():
            if rows:
                connection.execute(statement, rows)
        changes.announce(connection, self._topics())

    def write_one_by_one(self, connection: Connection) -> None:
        """Write each by itself, leaving out and logging those that the database refuses."""
        self.keys = []
        for row in self.added:
            self.keys.append(_write_one(connection, _ADD_SESSION, row))
        for statement, rows in self._statements():
            for row in rows:
                _write_one(connection, statement, row)
        changes.announce(connection, self._topics())

    def _topics(self) -> frozenset[str]:
        written = {
            models.Session.__tablename__: self.added or self.changed or self.counted,
            models.Refusal.__tablename__: self.refusals,
            models.Node.__tablename__: self.nodes,
        }
        observed = {str(statement.table.description) for statement, rows in self.observed if rows}
        return changes.TOPICS & (observed | {topic for topic, rows in written.items() if rows})

    def _statements(self) -> tuple[tuple[Insert | Update | Delete, Sequence[Row]], ...]:
        return (
            (_CHANGE_SESSION, self.changed),
            (_COUNT_SESSION, self.counted),
            (_CHANGE_LEASE, self.leases),
            (_LOGGED_IN, self.logins),
            (_ADD_REFUSAL, self.refusals),
            (_FINISH_COMMAND, self.commands),
            (_BEAT, self.nodes),
            *self.observed,
        )


def read_leases(connection: Connection) -> list[LeaseRow]:
    """Read all addresses of all pools, taken or free."""
    columns = (_LEASES.c[name] for name in LeaseRow._fields)
    return [LeaseRow(*row) for row in connection.execute(select(*columns))]


def _write_one(connection: Connection, statement: Insert | Update | Delete, row: Row) -> int | None:
    """Write one row; give its key if the statement is made to tell it and the row was written."""
    try:
        with connection.begin_nested():
            result = connection.execute(statement, row)
            return result.scalar_one() if statement is _ADD_SESSION else None
    except AWAY:
        raise
    except Exception as failure:  # noqa: BLE001  drivers and column types raise what they like
        words = str(failure.__cause__ or failure)[:500]
        logger.error("the database refuses a row; it is lost", table=statement.table.description, error=words)  # noqa: TRY400
        return None
