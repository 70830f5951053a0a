"""What a login costs the core alone, without sockets, data plane or appliance: ``python -m tests.bench.core``.

Two endpoints in one process; time is counted inside one of them only.
"""

# ruff: noqa: T201 - a report is what it is for

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from ike_engine.events import PeerConnected
from ike_engine.policy import EspProposal, IkeProposal
from tests.ike_engine.lab import pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.endpoint import Endpoint

LOGINS = 150
SUITES = ("aes256-sha256-modp2048", "aes128-sha1-modp1024", "aes256-sha256-ecp256")
VIRTUAL_SECONDS = 2.0
"""Long enough for a login over the virtual network, too short for dead peer detection."""


class Stopwatch:
    """Counts the time spent in calls of an endpoint."""

    ENTRANCES = ("receive_datagram", "answer", "handle_timer", "command", "report", "take_outputs")

    def __init__(self, endpoint: Endpoint) -> None:
        self.seconds = 0.0
        for name in self.ENTRANCES:
            setattr(endpoint, name, self._counted(getattr(endpoint, name)))

    def _counted(self, entrance: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: object) -> object:
            began = time.perf_counter()
            try:
                return entrance(*arguments)
            finally:
                self.seconds += time.perf_counter() - began

        return counted


def login(suite: str, seed: int) -> tuple[float, float]:
    """Milliseconds that one hybrid login took the gateway and the client."""
    proposals = {
        "ike_proposals": (IkeProposal.from_text(suite),),
        "esp_proposals": (EspProposal.from_text("aes256-sha256"),),
    }
    meeting = pair(seed=seed, gateway=proposals, client=proposals)
    watches = [Stopwatch(station.endpoint) for station in (meeting.gateway, meeting.client)]
    meeting.connect(VIRTUAL_SECONDS)
    meeting.gateway.one(PeerConnected)
    gateway, client = (watch.seconds * 1000 for watch in watches)
    return gateway, client


if __name__ == "__main__":
    print(f"{'ms a hybrid login, best and median':34} {'gateway':>14} {'client':>14}")
    for each in SUITES:
        login(each, 0)  # imports, compiled messages, the keys of the laboratory
        columns = zip(*(login(each, seed) for seed in range(1, LOGINS)), strict=True)
        print(f"{each:34}" + "".join(f" {min(column):6.2f} {statistics.median(column):7.2f}" for column in columns))
