"""What may be asked of the log: to see it, as far as somebody, a session or a refused attempt is concerned."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from appliance.errors import Invalid
from appliance.installation import Transaction
from appliance.logs import reader
from appliance.logs.reader import Cursor, Found, Line
from appliance.logs.schemas import LogFilter, LogLine, LogPage, LogPart
from appliance.refusals import service as refusals
from appliance.sessions import service as sessions
from appliance.settings import LogLevel

_SEVERITY: Final = {**{level.value: place for place, level in enumerate(LogLevel)}, "exception": 3, "critical": 4}
_NAMED: Final = frozenset({"timestamp", "level", "process", "event", "exception"})
_USERS: Final = ("user", "username", "login")
_BEFORE_A_SESSION: Final = timedelta(minutes=5)
_AFTER_A_SESSION: Final = timedelta(minutes=1)

Condition = Callable[[Line], bool]


@dataclass(frozen=True, slots=True)
class _About:
    """What tells the lines that are about one client: the engine's numbers, which are good while a gateway lives."""

    node: str
    began: datetime
    ended: datetime | None
    numbers: dict[str, frozenset[int]]

    def matches(self, line: Line) -> bool:
        """Whether a line is about it."""
        if not any(line.get(name) in known for name, known in self.numbers.items() if name in line):
            return False
        at = _moment(line)
        return at is None or (
            at >= self.began - _BEFORE_A_SESSION and (self.ended is None or at <= self.ended + _AFTER_A_SESSION)
        )


async def page(work: Transaction, wanted: LogFilter = LogFilter(), part: LogPart = LogPart()) -> LogPage:
    """Give lines of this machine's log, the latest first.

    Raises:
        NotFound: there is no such session or refusal.
        Invalid: both ends of a part are named.
    """
    if part.before and part.after:
        raise Invalid("before and after rule each other out", field="after")
    node = work.installation.settings.node_name
    about = await _about(work, wanted)
    if any(each.node != node for each in about):
        return LogPage(node=node, elsewhere=next(each.node for each in about if each.node != node), items=[])
    matches = _condition(wanted, about)
    data_dir = work.installation.settings.data_dir

    def read() -> Found:
        if part.after:
            return reader.following(data_dir, matches, part.limit, Cursor.from_text(part.after))
        return reader.latest(data_dir, matches, part.limit, Cursor.from_text(part.before) if part.before else None)

    found = await asyncio.to_thread(read)
    return LogPage(
        node=node,
        items=[_line(place, line) for place, line in found.lines],
        older=str(found.older or ""),
        newer=str(found.newer or ""),
    )


async def _about(work: Transaction, wanted: LogFilter) -> list[_About]:
    found = []
    if wanted.session is not None:
        session = await sessions.show(work, wanted.session)
        numbers = {"session": frozenset({session.id}), "isakmp_sa": frozenset(session.details.get("isakmp_sas", ()))}
        numbers["peer_id"] = frozenset({await sessions.peer_id(work, session.id)})
        found.append(_About(session.node, session.started_at, session.ended_at, numbers))
    if wanted.refusal is not None:
        refusal = await refusals.show(work, wanted.refusal)
        numbers = {"isakmp_sa": frozenset({refusal.isakmp_sa} if refusal.isakmp_sa else ())}
        found.append(_About(refusal.node, refusal.at, refusal.at, numbers))
    return found


def _condition(wanted: LogFilter, about: list[_About]) -> Condition:
    least = _SEVERITY[wanted.level]
    conditions: list[Condition] = [each.matches for each in about]
    if least:
        conditions.append(lambda line: _SEVERITY.get(str(line.get("level")), least) >= least)
    if wanted.process:
        conditions.append(lambda line: line.get("process") == wanted.process)
    if wanted.user:
        user = wanted.user.lower()
        conditions.append(lambda line: any(str(line.get(name, "")).lower() == user for name in _USERS))
    if wanted.text:
        text = wanted.text.lower()
        conditions.append(lambda line: any(text in f"{name}={value}".lower() for name, value in line.items()))
    if wanted.since is not None or wanted.until is not None:
        since, until = (
            wanted.since or datetime.min.replace(tzinfo=UTC),
            wanted.until or datetime.max.replace(tzinfo=UTC),
        )
        conditions.append(lambda line: (at := _moment(line)) is not None and since <= at < until)
    return lambda line: all(condition(line) for condition in conditions)


def _moment(line: Line) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(line.get("timestamp")))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _line(place: Cursor, line: dict[str, Any]) -> LogLine:
    return LogLine(
        id=str(place),
        at=_moment(line),
        level=str(line.get("level", "")),
        process=str(line.get("process", "")),
        event=str(line.get("event", "")),
        fields={name: value for name, value in line.items() if name not in _NAMED},
        exception=str(line.get("exception", "")),
    )
