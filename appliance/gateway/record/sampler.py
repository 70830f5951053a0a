"""Counts minute by minute what happens on this gateway, for charts (an observer of sessions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Table, insert

from appliance import models
from appliance.gateway.record.observers import Written
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from appliance.gateway.record.rows import Row
    from appliance.gateway.record.stay import Stay
    from ike_engine.events import PeerRefused

_SAMPLES: Final[Table] = models.Sample.metadata.tables["samples"]
_ADD_SAMPLE: Final = insert(_SAMPLES)


@dataclass(slots=True)
class _Minute:
    sessions: int
    octets_in: int = 0
    octets_out: int = 0
    logins: int = 0
    refusals: int = 0

    def row(self, node: str, minute: int) -> Row:
        counts = {name: getattr(self, name) for name in self.__slots__}
        return {"node": node, "minute": minute} | counts

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__)


class Sampler:
    """Gives a row for each minute that is over and in which something happened."""

    def __init__(self, node: str, *, wall_clock: Callable[[], datetime] = utc_now) -> None:
        self._node = node
        self._wall_clock = wall_clock
        self._minute = self._now()
        self._current = _Minute(0)
        self._live = 0
        self._over: list[Row] = []
        # What each session had carried when it was last looked at. The last octets of one that ended still come.
        self._carried: dict[Stay, tuple[int, int]] = {}
        self._ended: list[Stay] = []
        self._ended_before: list[Stay] = []

    def began(self, stay: Stay) -> None:
        """A session began."""
        self._turn()
        self._carried[stay] = (0, 0)
        self._live += 1
        self._current.logins += 1
        self._current.sessions = max(self._current.sessions, self._live)

    def resumed(self, stay: Stay) -> None:
        """A session goes on: its login and what it carried before were counted then."""
        self._turn()
        traffic = stay.traffic()
        self._carried[stay] = traffic["octets_in"], traffic["octets_out"]
        self._live += 1
        self._current.sessions = max(self._current.sessions, self._live)

    def changed(self, stay: Stay) -> None:
        """It may have carried more."""
        before = self._carried.get(stay)
        if before is None:
            return
        self._turn()
        traffic = stay.traffic()
        carried = traffic["octets_in"], traffic["octets_out"]
        self._current.octets_in += carried[0] - before[0]
        self._current.octets_out += carried[1] - before[1]
        self._carried[stay] = carried

    def ended(self, stay: Stay) -> None:
        """A session ended."""
        if stay not in self._carried:  # one of an earlier process that could not go on
            return
        self.changed(stay)
        self._live -= 1
        self._ended.append(stay)

    def refused(self, _event: PeerRefused) -> None:
        """A client was turned away."""
        self._turn()
        self._current.refusals += 1

    def collect(self) -> Sequence[Written]:
        """Give the minutes that are over."""
        self._turn()
        over, self._over = self._over, []
        return [Written(_ADD_SAMPLE, over)] if over else []

    def _turn(self) -> None:
        minute = self._now()
        if minute <= self._minute:
            return
        if not self._current.is_empty:
            self._over.append(self._current.row(self._node, self._minute))
        for stay in self._ended_before:
            del self._carried[stay]
        self._ended_before, self._ended = self._ended, []
        self._minute, self._current = minute, _Minute(self._live)

    def _now(self) -> int:
        return int(self._wall_clock().timestamp()) // 60
