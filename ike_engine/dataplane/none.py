"""The data plane that does no ESP: for benches and tests of the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.dataplane.interface import ChildCounters, Order, Report


class NoDataPlane:
    """Takes every order and carries nothing; implements ``DataPlane``."""

    def submit(self, order: Order) -> None:
        """Do nothing."""

    def subscribe(self, receive: Callable[[Report], None]) -> None:
        """There is never anything to report."""

    async def counters(self, inbound_spis: tuple[int, ...] = ()) -> tuple[ChildCounters, ...]:  # noqa: ARG002
        """Nothing is carried, so nothing is counted."""
        return ()
