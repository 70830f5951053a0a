"""Who else is told of sessions, and has something written in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from appliance import models
from appliance.gateway.record.observers import Written
from appliance.models.columns import now as utc_now
from ike_engine.events import (
    Goodbye,
    PeerGone,
    PeerMoved,
    PeerRefused,
)
from ike_engine.path import Address, Path
from tests.appliance.gateway.recording import (
    Recorder,
    refused,
)

if TYPE_CHECKING:
    from appliance.gateway.record.stay import Stay


class Observer:
    """Notes what it is told, and wants a line of it written."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.lines: list[dict[str, Any]] = []

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.lines.append({"who": "observer", "source": "", "deed": what, "target": "", "at": utc_now()})

    def began(self, stay: Stay) -> None:
        self._note(f"{stay.user} began")

    def changed(self, stay: Stay) -> None:
        self._note(f"{stay.user} changed")

    def ended(self, stay: Stay) -> None:
        self._note(f"{stay.user} ended: {stay.columns['goodbye']}")

    def refused(self, event: PeerRefused) -> None:
        self._note(f"{event.username} refused")

    def collect(self) -> list[Written]:
        lines, self.lines = self.lines, []
        return [Written(insert(models.AuditEntry), lines)]


async def test_observers_are_told_in_order_and_what_they_write_survives_a_database_that_is_away(
    recorder: Recorder,
) -> None:
    observer = Observer()
    recorder.projector._observers = (observer,)
    recorder.connect(7)
    elsewhere = Path(Address("192.0.2.1", 4500), Address("203.0.113.9", 1025), nat_t=True)
    goodbye = PeerGone(peer_id=7, user="alice", goodbye=Goodbye.PEER_DELETED, reason="the client disconnected")
    recorder.tell(PeerMoved(peer_id=7, path=elsewhere), refused(username="mallory"), goodbye)
    told = ["alice began", "alice changed", "mallory refused", "alice ended: client-disconnected"]
    assert observer.told == told
    batch = recorder.projector.collect()
    assert batch is not None
    batch.failed()
    await recorder.flush()
    assert [row.deed for row in await recorder.rows(models.AuditEntry)] == told
    assert recorder.projector.collect() is None
