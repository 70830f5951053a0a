"""Slows guessing down: every failure makes the next attempt of that user from that source wait longer.

Kept in memory: a restarted gateway starts afresh.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_FREE_FAILURES = 2
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 8.0  # clients give a login up after about 14 s
_FORGET_AFTER_SECONDS = 900.0
_MOST_ENTRIES = 50_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    free_at: float = 0.0  # when the next attempt may be judged
    touched_at: float = 0.0


class Throttle:
    """Counts failures by user name and source address. ``now`` is any monotonic clock in seconds."""

    def __init__(self) -> None:
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()

    def reserve(self, username: str, source: str, now: float) -> float | None:
        """Tell how many seconds this attempt must wait before it is judged.

        Attempts at the same time wait behind each other, so that opening many exchanges at once
        gains a guesser nothing. ``None``: the queue is longer than a client would wait, refuse at once.
        """
        record = self._records.get((username.casefold(), source))
        if record is None or now - record.touched_at > _FORGET_AFTER_SECONDS:
            return 0.0
        pause = self._pause(record.failures)
        if not pause:
            return 0.0
        wait = max(0.0, record.free_at - now)
        if wait > _LONGEST_WAIT_SECONDS:
            return None
        record.free_at = now + wait + pause
        record.touched_at = now
        return wait

    def failed(self, username: str, source: str, now: float) -> None:
        """Count a failure."""
        key = (username.casefold(), source)
        record = self._records.get(key)
        if record is None or now - record.touched_at > _FORGET_AFTER_SECONDS:
            record = self._records[key] = _Record()
        record.failures += 1
        record.touched_at = now
        record.free_at = max(record.free_at, now + self._pause(record.failures))
        self._records.move_to_end(key)
        while len(self._records) > _MOST_ENTRIES:
            self._records.popitem(last=False)

    def succeeded(self, username: str, source: str) -> None:
        """Forget the failures of this user from this source."""
        self._records.pop((username.casefold(), source), None)

    @staticmethod
    def _pause(failures: int) -> float:
        if failures <= _FREE_FAILURES:
            return 0.0
        doublings = min(failures - _FREE_FAILURES - 1, 10)
        return float(min(_FIRST_WAIT_SECONDS * 2**doublings, _LONGEST_WAIT_SECONDS))
