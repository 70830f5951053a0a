"""How long things took, in a form that fits a gateway's row: so many within each bound."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BOUNDS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram:
    """Durations that were seen, by the bounds of ``BOUNDS_SECONDS``."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one more."""
        self._counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self._sum += seconds

    def as_counters(self) -> dict[str, Any]:
        """Give plain values: the bounds go along, for another version may read them."""
        return {"bounds": list(BOUNDS_SECONDS), "counts": list(self._counts), "sum": round(self._sum, 6)}


def cumulative(counters: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Give the buckets of ``as_counters`` as Prometheus has them: bound, and how many were not above it."""
    total = 0
    for bound, count in zip([*map(str, counters["bounds"]), "+Inf"], counters["counts"], strict=True):
        total += count
        yield bound, total
