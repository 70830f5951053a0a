"""Counts the sessions of one user over all gateways, and makes room for another where policy lets it.

Gateways of one database admit a user one after the other, under an advisory lock of PostgreSQL on the user's name: who
is counted is in the table ``admitted_sessions`` before the next one counts. A session that has to make way on another
gateway is ended by a command, and the new one waits until it is gone. A gateway alone with its SQLite knows all
there is by itself; and who may have any number of sessions waits for no database anywhere.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import Table, bindparam, delete, func, insert, or_, select, union_all
from sqlalchemy.dialects import postgresql

from appliance import changes, models
from appliance.gateway.record.database_thread import AWAY
from appliance.gateway.record.observers import Bystander, Written
from appliance.models import CommandOutcome, Verb
from appliance.system.service import HEARTBEAT_LOST_AFTER
from ike_engine.events import Goodbye

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.gateway.record.stay import Whose

logger = structlog.get_logger(__name__)

_ADMITTED: Final[Table] = models.AdmittedSession.metadata.tables["admitted_sessions"]
_SESSIONS: Final[Table] = models.Session.metadata.tables["sessions"]
_NODES: Final[Table] = models.Node.metadata.tables["nodes"]
_COMMANDS: Final[Table] = models.Command.metadata.tables["commands"]

_GONE: Final = delete(_ADMITTED).where(
    _ADMITTED.c.node == bindparam("of_node"), _ADMITTED.c.peer_id == bindparam("of_peer")
)
_ALIVE: Final = select(_NODES.c.name).where(_NODES.c.heartbeat_at > bindparam("seen_after"))
_LEAVING: Final = select(_ADMITTED.c.peer_id).where(
    _ADMITTED.c.node == _SESSIONS.c.node, _ADMITTED.c.peer_id == _SESSIONS.c.peer_id, _ADMITTED.c.leaving
)
# Also those from before somebody limited their number.
_COUNTED: Final = union_all(
    select(_ADMITTED.c.at, _ADMITTED.c.node, _ADMITTED.c.peer_id).where(
        _ADMITTED.c.realm == bindparam("of_realm"),
        _ADMITTED.c.user == bindparam("of_user"),
        ~_ADMITTED.c.leaving,
        _ADMITTED.c.node.in_(_ALIVE),
    ),
    select(_SESSIONS.c.started_at, _SESSIONS.c.node, _SESSIONS.c.peer_id).where(
        _SESSIONS.c.realm == bindparam("of_realm"),
        _SESSIONS.c.user.in_((bindparam("of_user"), bindparam("as_written"))),
        _SESSIONS.c.ended_at.is_(None),
        _SESSIONS.c.node != bindparam("of_node"),
        _SESSIONS.c.node.in_(_ALIVE),
        ~_LEAVING.exists(),
    ),
)
_LINGERING: Final = select(_ADMITTED.c.node).where(
    _ADMITTED.c.realm == bindparam("of_realm"),
    _ADMITTED.c.user == bindparam("of_user"),
    _ADMITTED.c.leaving,
    _ADMITTED.c.node.in_(_ALIVE),
    or_(_ADMITTED.c.node != bindparam("of_node"), _ADMITTED.c.peer_id != bindparam("of_peer")),
)
_NEW: Final = postgresql.insert(_ADMITTED)
_ENTER: Final = _NEW.on_conflict_do_update(
    index_elements=["node", "peer_id"], set_={"leaving": _NEW.excluded.leaving, "at": _NEW.excluded.at}
)
_WAIT_SECONDS: Final = 8.0
_LOOK_AGAIN_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, order=True)
class Present:
    """A session that counts; the oldest comes first."""

    since: datetime
    node: str
    peer_id: int


@dataclass(frozen=True, slots=True)
class TooMany:
    """There are as many as there may be.

    Attributes:
        present: So many.
        elsewhere: Those of them that are on other gateways, by the gateways' names.
        lingering: They were told to make way and are still there.
    """

    present: int
    elsewhere: tuple[str, ...] = ()
    lingering: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who wants to come in.

    Attributes:
        whose: Whom it counts for.
        user: Canonical name, as written.
        most: So many sessions at a time.
        replace: The oldest end for it; else it stays out.
    """

    node: str
    peer_id: int
    whose: Whose
    user: str
    at: datetime
    most: int
    replace: bool

    def counted(self, present: Sequence[Present]) -> tuple[TooMany | None, Sequence[Present]]:
        """Say why it may not come in, or else who has to make way for it."""
        superfluous = len(present) - self.most + 1
        if superfluous <= 0:
            return None, ()
        if not self.replace:
            elsewhere = {other.node for other in present if other.node != self.node}
            return TooMany(len(present), tuple(sorted(elsewhere))), ()
        return None, sorted(present)[:superfluous]

    @property
    def words(self) -> str:
        """Why others had to make way, for their record."""
        return f"user {self.user!r} came in anew and may have {self.most} sessions"


class SimultaneousSessions(Bystander):
    """What one gateway knows and asks.

    Args:
        writer: Where transactions run; ``None``: no other gateway shares the database.
        disconnect: Ends the session of a peer here.
    """

    def __init__(self, writer: DatabaseThread | None, *, disconnect: Callable[[int, str, Goodbye], None]) -> None:
        self._writer = writer
        self._disconnect = disconnect
        self._admitted: dict[int, str] = {}  # by peer: on which node
        self._gone: list[dict[str, object]] = []

    async def admit(self, newcomer: Newcomer, here: Sequence[Present]) -> TooMany | None:
        """Let one more session in, if there may be one; ``None``: it is in.

        Args:
            newcomer: Whose.
            here: The user's others on this gateway.
        """
        if self._writer is None:
            return self._make_room(newcomer, *newcomer.counted(here))
        # Before the transaction: whatever becomes of it, its row is deleted in the end.
        self._admitted[newcomer.peer_id] = newcomer.node
        try:
            judged = await self._writer.run(partial(_judge, newcomer=newcomer, here=here, alive=self._admitted))
            refused = self._make_room(newcomer, *judged) or await self._wait_for_others(newcomer)
        except AWAY as failure:
            logger.warning("sessions on other gateways are not counted", why=str(failure.__cause__ or failure))
            refused = self._make_room(newcomer, *newcomer.counted(here))
        if refused is not None:
            self.release(newcomer.peer_id)
        return refused

    def release(self, peer_id: int) -> None:
        """The session is gone, or did not come to be."""
        if (node := self._admitted.pop(peer_id, None)) is not None:
            self._gone.append({"of_node": node, "of_peer": peer_id})

    def made_way(self, node: str, peer_id: int) -> None:
        """A session ended because another gateway wanted it to, which waits until the row is gone that says so.

        It has such a row also when it began before anybody counted.
        """
        self._admitted.pop(peer_id, None)
        self._gone.append({"of_node": node, "of_peer": peer_id})

    def collect(self) -> Sequence[Written]:
        """Give what to write."""
        gone, self._gone = self._gone, []
        return [Written(_GONE, gone)] if gone else []

    def _make_room(self, newcomer: Newcomer, refused: TooMany | None, leaving: Sequence[Present]) -> TooMany | None:
        for other in leaving:
            if other.node == newcomer.node:
                self._disconnect(other.peer_id, newcomer.words, Goodbye.REPLACED)
        return refused

    async def _wait_for_others(self, newcomer: Newcomer) -> TooMany | None:
        """Those on other gateways are gone when these have written so."""
        if self._writer is None:
            return None
        end = time.monotonic() + _WAIT_SECONDS
        while lingering := await self._writer.run(partial(_lingering, newcomer=newcomer)):
            if time.monotonic() > end:
                return TooMany(len(lingering), tuple(sorted(set(lingering))), lingering=True)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return None


def _judge(
    connection: Connection, newcomer: Newcomer, here: Sequence[Present], alive: Container[int]
) -> tuple[TooMany | None, Sequence[Present]]:
    """Count, and have the newcomer counted from now on, or stay out.

    Args:
        connection: In a transaction; the next one for the same user waits for its end.
        newcomer: Whose session.
        here: The user's others on its gateway that have an address.
        alive: Peers on its gateway that were admitted and are not gone, by the moment.
    """
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("/".join(newcomer.whose), 0))))
    present = {(other.node, other.peer_id): other for other in here}
    for since, node, peer_id in connection.execute(_COUNTED, _about(newcomer)):
        if (node != newcomer.node or peer_id in alive) and (node, peer_id) != (newcomer.node, newcomer.peer_id):
            present.setdefault((node, peer_id), Present(since, node, peer_id))
    refused, leaving = newcomer.counted(list(present.values()))
    if refused is not None:
        return refused, ()
    connection.execute(_ENTER, [_row(newcomer.node, newcomer.peer_id, newcomer.whose, newcomer.at, leaving=False)])
    if elsewhere := [other for other in leaving if other.node != newcomer.node]:
        marked = [_row(other.node, other.peer_id, newcomer.whose, other.since, leaving=True) for other in elsewhere]
        connection.execute(_ENTER, marked)
        connection.execute(insert(_COMMANDS), [_order(other, newcomer) for other in elsewhere])
        changes.announce(connection, frozenset({models.Command.__tablename__}))
    return None, leaving


def _lingering(connection: Connection, newcomer: Newcomer) -> list[str]:
    """Give the gateways of those that were told to make way and have not."""
    return list(connection.execute(_LINGERING, _about(newcomer) | {"of_peer": newcomer.peer_id}).scalars())


def _about(newcomer: Newcomer) -> dict[str, object]:
    return {
        "of_realm": newcomer.whose.realm,
        "of_user": newcomer.whose.user,
        "as_written": newcomer.user,
        "seen_after": newcomer.at - HEARTBEAT_LOST_AFTER,
        "of_node": newcomer.node,
    }


def _row(node: str, peer_id: int, whose: Whose, at: datetime, *, leaving: bool) -> dict[str, object]:
    return {"node": node, "peer_id": peer_id, **whose._asdict(), "at": at, "leaving": leaving}


def _order(other: Present, newcomer: Newcomer) -> dict[str, object]:
    return {
        "node": other.node,
        "verb": Verb.DISCONNECT,
        "session_id": None,
        "reason": newcomer.words,
        "arguments": {"peer": other.peer_id, "goodbye": Goodbye.REPLACED.value},
        "created_at": newcomer.at,
        "created_by": f"gateway {newcomer.node}",
        "outcome": CommandOutcome.PENDING,
        "message": "",
    }
