"""A heap of named moments on the caller's clock."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """One moment and what is to be done then; ``cancel`` makes it do nothing."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Callable[[], None]) -> None:
        self.at = at
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget the moment; harmless when it has passed."""
        self.action = None


class Timers:
    """Moments in order. Cancelled ones are dropped when they come up, or all at once when they outnumber the rest."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._sweep_at = 4_096

    def set(self, at: float, action: Callable[[], None]) -> Timer:
        """Have ``action`` called once, at or after ``at``."""
        timer = Timer(at, action)
        heapq.heappush(self._heap, (at, next(self._order), timer))
        if len(self._heap) > self._sweep_at:
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._sweep_at = max(4_096, 2 * len(self._heap))
        return timer

    def next(self) -> float | None:
        """The earliest moment still wanted."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Callable[[], None] | None:
        """Take the earliest action that is due, if any."""
        moment = self.next()
        if moment is None or moment > now:
            return None
        timer = heapq.heappop(self._heap)[2]
        action, timer.action = timer.action, None
        return action
