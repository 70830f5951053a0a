"""Writes the history: every login, logout and failed login is a row of ``events``, and told to the hook."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, insert, update

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.gateway.record.observers import Bystander, Written
from appliance.gateway.record.stay import line, name
from appliance.models import EventKind
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from appliance.gateway.record.rows import Row
    from appliance.gateway.record.stay import Stay
    from ike_engine.events import PeerRefused

_EVENTS = models.Event.__table__
_ADD: Final = insert(models.Event)
_COUNT: Final = (
    update(models.Event)
    .where(
        _EVENTS.c.node == bindparam("of_node"),
        _EVENTS.c.peer_id == bindparam("of_peer"),
        _EVENTS.c.kind == EventKind.LOGOUT,
    )
    .values(octets_in=bindparam("octets_in"), octets_out=bindparam("octets_out"))
)
# What the last Child SA carried is counted when it is gone, a moment after its session ended.
_LAST_OCTETS_SECONDS: Final = 2.0


class History(Bystander):
    """Notes what becomes history.

    Args:
        node: Name of this gateway.
        tell: Is told of each event, of a logout when all that it carried is counted.
        wall_clock: Aware time.
        later: Calls something after so many seconds.
    """

    def __init__(
        self,
        node: str,
        tell: Callable[[Row], None],
        *,
        wall_clock: Callable[[], datetime] = utc_now,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._node = node
        self._tell = tell
        self._wall_clock = wall_clock
        self._later = later or (lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))
        self._added: list[Row] = []
        self._leaving: dict[int, Row] = {}
        self._counted: dict[int, Row] = {}

    def began(self, stay: Stay) -> None:
        """Somebody logged in."""
        row = self._of(stay, EventKind.LOGIN, stay.columns["started_at"])
        self._added.append(row)
        self._tell(row)

    def ended(self, stay: Stay) -> None:
        """Somebody's stay is over."""
        columns = stay.columns
        row = self._of(stay, EventKind.LOGOUT, columns["ended_at"]) | {
            "began_at": columns["started_at"],
            "cause": columns["goodbye"],
            "reason": columns["goodbye_reason"],
        }
        self._added.append(row)
        self._leaving[stay.peer_id] = row
        self._later(_LAST_OCTETS_SECONDS, lambda: self._has_left(stay.peer_id))

    def changed(self, stay: Stay) -> None:
        """A stay that ended may still have carried something."""
        row = self._leaving.get(stay.peer_id)
        if row is None:
            return
        octets = _octets(stay)
        row |= octets
        if not any(added is row for added in self._added):  # it is written already
            self._counted[stay.peer_id] = {"of_node": self._node, "of_peer": stay.peer_id, **octets}

    def refused(self, event: PeerRefused) -> None:
        """Somebody who gave a name was turned away."""
        if not event.username:
            return
        row = self._row(EventKind.FAILURE, self._wall_clock()) | {
            "user": name(event.username).lower(),
            "realm": name(event.claim.realm) if isinstance(event.claim, Claim) else "",
            "profile": name(event.profile),
            "peer_address": event.path.remote.ip,
            "peer_port": event.path.remote.port,
            "cause": event.stage.value,
            "reason": line(event.reason),
        }
        self._added.append(row)
        self._tell(row)

    def collect(self) -> Sequence[Written]:
        """Give what to write."""
        added, self._added = self._added, []
        counted, self._counted = self._counted, {}
        return (Written(_ADD, added), Written(_COUNT, list(counted.values())))

    def hurry(self) -> None:
        """Tell at once of whoever is leaving: the gateway ends."""
        for peer_id in list(self._leaving):
            self._has_left(peer_id)

    def _has_left(self, peer_id: int) -> None:
        if (row := self._leaving.pop(peer_id, None)) is not None:
            self._tell(row)

    def _of(self, stay: Stay, kind: EventKind, at: datetime) -> Row:
        columns = stay.columns
        return self._row(kind, at) | {
            "peer_id": stay.peer_id,
            "user": stay.user,
            "realm": stay.claim.realm if stay.claim is not None else "",
            "profile": columns["profile"],
            "peer_address": columns["peer_address"],
            "peer_port": columns["peer_port"],
            "virtual_ip": columns["virtual_ip"],
            "client_software": columns["client_software"],
            **_octets(stay),
        }

    def _row(self, kind: EventKind, at: datetime) -> dict[str, Any]:
        return {
            "at": at,
            "kind": kind,
            "node": self._node,
            "peer_id": None,
            "user": "",
            "realm": "",
            "profile": "",
            "peer_address": "",
            "peer_port": 0,
            "virtual_ip": None,
            "client_software": "",
            "octets_in": 0,
            "octets_out": 0,
            "began_at": None,
            "cause": "",
            "reason": "",
        }


def _octets(stay: Stay) -> dict[str, int]:
    traffic = stay.traffic()
    return {"octets_in": traffic["octets_in"], "octets_out": traffic["octets_out"]}
