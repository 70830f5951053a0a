"""Child SAs that a gateway which crashed left in the data plane.

They carry on, so that clients notice nothing until their own DPD tells them to come again; but no
IKE SA belongs to them any more: nobody can rekey, disconnect or count them. So they go as soon as
they are idle, and after a while in any case.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from ike_engine.dataplane.interface import Counters, Remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ike_engine.dataplane.interface import ChildCounters, DataPlane, Report

logger = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 600.0


class Orphans:
    """Watches over them until they are gone. ``clock`` gives monotonic seconds."""

    def __init__(self, data_plane: DataPlane, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._data_plane = data_plane
        self._clock = clock
        self._inbound_spis: set[int] = set()
        self._found_at = 0.0

    def __len__(self) -> int:
        return len(self._inbound_spis)

    def watch(self, held: Iterable[ChildCounters]) -> None:
        """Take note of what is in the data plane before this gateway put anything there, and nobody goes on with."""
        self._inbound_spis = {child.inbound_spi for child in held}
        self._found_at = self._clock()
        if self._inbound_spis:
            logger.warning(
                "Child SAs of a gateway that crashed carry on for a while",
                child_sas=len(self._inbound_spis),
                longest_seconds=LONGEST_SECONDS,
            )

    def on_report(self, report: Report) -> None:
        """Remove those that are idle, or all when it is time."""
        if not self._inbound_spis or not isinstance(report, Counters):
            return
        if self._clock() - self._found_at >= LONGEST_SECONDS:
            self._remove(self._inbound_spis)
            return
        present = {child.inbound_spi: child for child in report.children}
        idle = {
            spi
            for spi in self._inbound_spis & present.keys()
            if (idle_seconds := present[spi].idle_seconds) is None or idle_seconds >= IDLE_SECONDS
        }
        if idle:
            self._remove(idle)

    def _remove(self, inbound_spis: set[int]) -> None:
        logger.info("Child SAs of a gateway that crashed are removed", child_sas=len(inbound_spis))
        self._data_plane.submit(Remove(tuple(sorted(inbound_spis))))
        self._inbound_spis -= inbound_spis
