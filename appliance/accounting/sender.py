"""Brings accounting records to their servers, in order and until one takes them.

What no server takes stays in the table, over restarts of the gateway too; attempts back off while all
servers of a realm are silent. Within a session the order is kept, and nothing overtakes Accounting-On or -Off.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import Connection, Table, bindparam, delete, func, select, update

from appliance import models
from appliance.accounting.records import Record, accounting_request
from appliance.auth.radius.server import Silent
from appliance.models import AccountingStatus
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from pyrad.packet import Packet

    from appliance.auth.radius.group import ServerGroup
    from appliance.auth.radius.requests import Nas
    from appliance.auth.radius.server import Server
    from appliance.gateway.record.database_thread import DatabaseThread

logger = structlog.get_logger(__name__)

_RECORDS: Final[Table] = models.AccountingRecord.metadata.tables["accounting_records"]
_TAKEN: Final = (
    update(_RECORDS)
    .where(_RECORDS.c.id == bindparam("row"))
    .values(sent_at=bindparam("sent_at"), server=bindparam("server"))
)
_FAILED: Final = (
    update(_RECORDS)
    .where(_RECORDS.c.id == bindparam("row"))
    .values(attempts=_RECORDS.c.attempts + 1, last_error=bindparam("last_error"))
)

_LOOK_SECONDS: Final = 1.0
_AT_ONCE: Final = 500
_UNDER_WAY: Final = 50
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_LOOKS_BETWEEN_SWEEPS: Final = 3600
_KEEP: Final = timedelta(days=30)


@dataclass(slots=True)
class _Pace:
    """How eagerly a realm's servers are tried: at once while they answer."""

    next_at: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class _Outcome:
    """What became of a batch: who took which record, and which were tried in vain."""

    taken: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits.

    Attributes:
        waiting: Records that no server took yet.
        since: When the oldest of them happened.
        error: Why the latest attempt failed; empty when it did not.
    """

    waiting: int = 0
    since: datetime | None = None
    error: str = ""


class Sender:
    """The sender of one gateway.

    Args:
        node: Its name in the database.
        reader, writer: Whose transactions end as they began, whoever is cancelled meanwhile.
        servers: Gives for a realm the servers that take its records, and who we are to them; ``None``: none does.
        wall_clock, clock, sleep: Aware time, monotonic seconds, waiting.

    Attributes:
        backlog: What waited when it looked last.
    """

    def __init__(
        self,
        node: str,
        reader: DatabaseThread,
        writer: DatabaseThread,
        servers: Callable[[str], tuple[ServerGroup, Nas] | None],
        *,
        wall_clock: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.backlog = Backlog()
        self._node = node
        self._reader = reader
        self._writer = writer
        self._servers = servers
        self._wall_clock = wall_clock
        self._clock = clock
        self._sleep = sleep
        self._paces: defaultdict[str, _Pace] = defaultdict(_Pace)
        self._errors: dict[str, str] = {}

    async def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Send what is due, until cancelled; a database that is away is tried again.

        Args:
            tick: Called every time before looking.
        """
        looks = 0
        while True:
            tick()
            try:
                while await self.send_due():
                    pass
                if looks % _LOOKS_BETWEEN_SWEEPS == 0:
                    await self._forget_old()
            except Exception as failure:  # noqa: BLE001  each driver has its own
                logger.error("accounting waits for the database", error=str(failure)[:500])  # noqa: TRY400
            looks += 1
            await self._sleep(_LOOK_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Send what waits, whether it is due or not, as far as it goes in so many seconds: the gateway ends."""
        self._paces.clear()
        try:
            async with asyncio.timeout(seconds):
                while await self.send_due(everything=True):
                    pass
        except TimeoutError:
            logger.warning("accounting records wait for the next start", records=self.backlog.waiting)

    async def send_due(self, *, everything: bool = False) -> bool:
        """Send one batch; tells whether more could be sent at once."""
        waiting: set[str] = set()  # what is theirs must not keep that of the others from its turn
        while True:
            batch = await self._look(everything=everything, but_for=waiting)
            by_realm = _by_realm(batch)
            realms = {
                realm: (found, records)
                for realm, records in by_realm.items()
                if self._clock() >= self._paces[realm].next_at and (found := self._servers(realm)) is not None
            }
            if realms or len(batch) < _AT_ONCE:
                break
            waiting |= by_realm.keys()
        if not realms:
            return False
        outcomes = {realm: _Outcome() for realm in realms}
        try:
            await asyncio.gather(
                *(self._send(realm, *found, records, outcomes[realm]) for realm, (found, records) in realms.items())
            )
        finally:  # whoever is cancelled still knows what was taken
            await self._write_down(outcomes.values())
        return len(batch) == _AT_ONCE and not any(outcome.failed for outcome in outcomes.values())

    # ---- one realm --------------------------------------------------------------------------------

    async def _send(
        self, realm: str, group: ServerGroup, nas: Nas, records: Sequence[Record], outcome: _Outcome
    ) -> None:
        """Send the records of one realm, the oldest first."""
        room = asyncio.Semaphore(_UNDER_WAY)

        async def send(chain: Sequence[Record]) -> None:
            for record in chain:
                async with room:
                    if outcome.failed:  # nobody answers: the others need not find that out as well
                        return
                    make = partial(self._request, record, nas)
                    try:
                        answer = await group.ask(make)
                    except Silent as silent:
                        outcome.failed[record.id] = str(silent)
                        return
                    outcome.taken[record.id] = str(answer.port)

        if self._paces[realm].failures:  # see with one whether they are back
            await send(records[:1])
            records = records[1:]
        for about_the_gateway, stretch in groupby(records, key=_is_about_the_gateway):
            if about_the_gateway:
                await send(list(stretch))
            else:
                await asyncio.gather(*map(send, _by_session(stretch)))
        self._judge(realm, outcome)

    def _request(self, record: Record, nas: Nas, server: Server, local_address: str) -> Packet:
        return accounting_request(server, local_address, record=record, nas=nas, now=self._wall_clock())

    def _judge(self, realm: str, outcome: _Outcome) -> None:
        pace = self._paces[realm]
        if not outcome.failed:
            if pace.failures:
                logger.info("accounting servers answer again; nothing is lost", realm=realm)
            self._paces[realm] = _Pace()
            self._errors.pop(realm, None)
            return
        why = next(iter(outcome.failed.values()))
        if not pace.failures:
            logger.error("no accounting server answers; records are kept", realm=realm, why=why)
        pause = min(_FIRST_PAUSE_SECONDS * 2**pace.failures, _LONGEST_PAUSE_SECONDS)
        self._paces[realm] = _Pace(self._clock() + pause, pace.failures + 1)
        self._errors[realm] = why

    # ---- the table --------------------------------------------------------------------------------

    async def _look(self, *, everything: bool, but_for: Collection[str]) -> Sequence[Record]:
        until = None if everything else self._wall_clock()
        read = partial(_read, node=self._node, until=until, but_for=but_for)
        batch, count, oldest = await self._reader.run(read)
        self.backlog = Backlog(count, oldest, "; ".join(self._errors.values()))
        return batch

    async def _write_down(self, outcomes: Iterable[_Outcome]) -> None:
        at = self._wall_clock()
        taken = [
            {"row": key, "sent_at": at, "server": server} for each in outcomes for key, server in each.taken.items()
        ]
        failed = [{"row": key, "last_error": why} for each in outcomes for key, why in each.failed.items()]
        if taken or failed:
            await self._writer.run(partial(_write, taken=taken, failed=failed))

    async def _forget_old(self) -> None:
        await self._writer.run(partial(_forget, node=self._node, at=self._wall_clock()))


def _read(
    connection: Connection, *, node: str, until: datetime | None, but_for: Collection[str]
) -> tuple[list[Record], int, datetime | None]:
    """Give what waits (and is due by ``until``), the oldest first, how much waits in all, and since when.

    Args:
        connection: To the database.
        node: Whose.
        until: ``None``: whether it is due or not.
        but_for: Realms of which nothing is wanted.
    """
    columns = (_RECORDS.c[name] for name in Record._fields)
    waiting = (_RECORDS.c.node == node, _RECORDS.c.sent_at.is_(None))
    due = () if until is None else (_RECORDS.c.due_at <= until,)
    others = (_RECORDS.c.realm.not_in(but_for),) if but_for else ()
    batch = connection.execute(select(*columns).where(*waiting, *due, *others).order_by(_RECORDS.c.id).limit(_AT_ONCE))
    records = [Record(*row) for row in batch]
    count, oldest = connection.execute(select(func.count(), func.min(_RECORDS.c.at)).where(*waiting)).one()
    return records, count, oldest


def _write(connection: Connection, *, taken: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    for statement, rows in ((_TAKEN, taken), (_FAILED, failed)):
        if rows:
            connection.execute(statement, rows)


def _forget(connection: Connection, *, node: str, at: datetime) -> None:
    """Drop what is long done: interim records after a day, the others after a month."""
    columns = _RECORDS.c
    closed = select(columns.session).where(columns.status == AccountingStatus.STOP, columns.sent_at < at - _KEEP)
    interim = columns.status == AccountingStatus.INTERIM
    gateways = columns.status.in_((AccountingStatus.ON, AccountingStatus.OFF))
    for old in (
        interim & (columns.sent_at < at - timedelta(days=1)),
        gateways & (columns.sent_at < at - _KEEP),
        columns.session.in_(closed) & columns.sent_at.is_not(None),
    ):
        connection.execute(delete(_RECORDS).where(columns.node == node, old))


def _is_about_the_gateway(record: Record) -> bool:
    return record.status in (AccountingStatus.ON, AccountingStatus.OFF)


def _by_realm(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.realm].append(record)
    return found


def _by_session(records: Iterable[Record]) -> Iterable[list[Record]]:
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.session].append(record)
    return found.values()
