"""Notes what is to be accounted, in the transaction that tells it of the session (``SessionObserver``)."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Table, bindparam, delete, insert, update

from appliance import models
from appliance.accounting import records
from appliance.auth.radius.realm import Accounted
from appliance.gateway.record.observers import Written
from appliance.models import AccountingStatus
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from appliance.gateway.record.rows import Row
    from appliance.gateway.record.stay import Stay
    from ike_engine.events import PeerRefused

_RECORDS: Final[Table] = models.AccountingRecord.metadata.tables["accounting_records"]
_WAITING: Final = _RECORDS.c.sent_at.is_(None)
_ADD: Final = insert(_RECORDS)
# The totals of a later record include those of an interim one that nobody took yet.
_SUPERSEDE: Final = delete(_RECORDS).where(
    _RECORDS.c.session == bindparam("of"), _RECORDS.c.status == AccountingStatus.INTERIM, _WAITING
)
_CORRECT: Final = (
    update(_RECORDS)
    .where(_RECORDS.c.session == bindparam("of"), _RECORDS.c.status == AccountingStatus.STOP, _WAITING)
    .values(content=bindparam("content"))
)
_LAST_OCTETS: Final = timedelta(seconds=2)
_FORGET_AFTER_SECONDS: Final = 20.0


@dataclass(slots=True)
class _Live:
    """A session that is accounted.

    Attributes:
        told_at: Monotonic seconds of the last record.
    """

    accounted: Accounted
    realm: str
    told_at: float


@dataclass(slots=True)
class _Ended:
    """A session of which the last octets may still be counted."""

    accounted: Accounted
    at: datetime
    until: float


class Recorder:
    """The accounting of one gateway's sessions.

    Args:
        node: Its name in the database.
        takes: Tells of a realm whether it has a server that takes accounting.
        wake: Called when there is something to write.
        wall_clock, clock: Aware time, and monotonic seconds.
    """

    def __init__(
        self,
        node: str,
        *,
        takes: Callable[[str], bool],
        wake: Callable[[], None],
        wall_clock: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._takes = takes
        self._wake = wake
        self._wall_clock = wall_clock
        self._clock = clock
        self._live: dict[Stay, _Live] = {}
        self._ended: dict[Stay, _Ended] = {}
        self._on: set[str] = set()
        self._added: list[Row] = []
        self._superseded: list[Row] = []
        self._corrected: dict[str, Row] = {}

    # ---- sessions ---------------------------------------------------------------------------------

    def began(self, stay: Stay) -> None:
        """A session began."""
        if (live := self._accounted(stay)) is not None:
            self._live[stay] = live
            self._note(stay, live.accounted, live.realm, AccountingStatus.START)

    def resumed(self, stay: Stay) -> None:
        """A session goes on whose beginning was told."""
        if (live := self._accounted(stay)) is not None:
            self._live[stay] = live

    def changed(self, stay: Stay) -> None:
        """Only what comes after the end matters: it is part of what the session carried."""
        if (ended := self._ended.get(stay)) is not None:
            said = records.content(stay, ended.accounted, AccountingStatus.STOP, ended.at)
            self._corrected[ended.accounted.session_id] = {"of": ended.accounted.session_id, "content": said}

    def ended(self, stay: Stay) -> None:
        """A session ended."""
        if (live := self._live.pop(stay, None)) is None:
            return
        at = self._note(stay, live.accounted, live.realm, AccountingStatus.STOP, after=_LAST_OCTETS)
        self._ended[stay] = _Ended(live.accounted, at, self._clock() + _FORGET_AFTER_SECONDS)

    def refused(self, event: PeerRefused) -> None:
        """Nobody came in, nothing is accounted."""

    def collect(self) -> Sequence[Written]:
        """Give what to write since the last call."""
        written = (
            Written(_SUPERSEDE, self._superseded),
            Written(_ADD, self._added),
            Written(_CORRECT, list(self._corrected.values())),
        )
        self._superseded, self._added, self._corrected = [], [], {}
        return written

    def tick(self) -> None:
        """Tell of the sessions that are due; called every second or so."""
        now = self._clock()
        for stay, live in self._live.items():
            interval = _interim_seconds(stay)
            if interval and now - live.told_at >= interval:
                live.told_at = now
                self._note(stay, live.accounted, live.realm, AccountingStatus.INTERIM)
        for stay in [stay for stay, ended in self._ended.items() if ended.until < now]:
            del self._ended[stay]

    # ---- the gateway itself -----------------------------------------------------------------------

    def serve(self, realms: Iterable[str], *, afresh: bool) -> None:
        """These realms' servers are told of sessions from now on.

        Args:
            realms: Names.
            afresh: No session of an earlier life of this gateway goes on: whatever a server still
                holds for open is over (Accounting-On, RFC 2866 section 5.1).
        """
        new = set(realms) - self._on
        self._on |= new
        if afresh:
            self._tell_servers(sorted(new), AccountingStatus.ON)

    def shut_down(self) -> None:
        """The gateway ends: tell it to all servers that knew it was on."""
        self._tell_servers(sorted(self._on), AccountingStatus.OFF)
        self._on.clear()

    def _tell_servers(self, realms: Iterable[str], status: AccountingStatus) -> None:
        at = self._wall_clock()
        for realm in realms:
            self._added.append(self._row(realm, uuid.uuid4().hex, status, at))
            self._wake()

    # ---- notes ------------------------------------------------------------------------------------

    def _accounted(self, stay: Stay) -> _Live | None:
        claim = stay.claim
        if claim is None or not isinstance(claim.accounting, Accounted) or not self._takes(claim.realm):
            return None
        return _Live(claim.accounting, claim.realm, self._clock())

    def _note(
        self,
        stay: Stay,
        accounted: Accounted,
        realm: str,
        status: AccountingStatus,
        *,
        after: timedelta = timedelta(),
    ) -> datetime:
        """Note a record; gives the moment that it tells of."""
        at: datetime = stay.columns["ended_at"] or self._wall_clock()
        if status is not AccountingStatus.START:
            self._superseded.append({"of": accounted.session_id})
        said = records.content(stay, accounted, status, at)
        self._added.append(
            self._row(realm, accounted.session_id, status, at)
            | {"peer_id": stay.peer_id, "user": accounted.user, "content": said, "due_at": at + after}
        )
        self._wake()
        return at

    def _row(self, realm: str, session: str, status: AccountingStatus, at: datetime) -> Row:
        return {
            "node": self._node,
            "realm": realm,
            "session": session,
            "peer_id": None,
            "status": status,
            "user": "",
            "at": at,
            "content": {},
            "due_at": at,
            "sent_at": None,
            "server": "",
            "attempts": 0,
            "last_error": "",
        }


def _interim_seconds(stay: Stay) -> int:
    """Give how often to tell of a session; 0: only of its beginning and end."""
    return (stay.terms.effective.policy.interim_interval_seconds or 0) if stay.terms is not None else 0
