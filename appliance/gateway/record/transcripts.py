"""Keeps the transcript of every session that ended, in the transaction that writes its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, update

from appliance import models
from appliance.gateway.record.observers import Bystander, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.gateway.record.stay import Stay

_SESSIONS: Final[Any] = models.Session.__table__
_KEEP: Final = (
    update(_SESSIONS)
    .where(_SESSIONS.c.node == bindparam("of_node"), _SESSIONS.c.peer_id == bindparam("of_peer"))
    .values(transcript=bindparam("said"))
)


class Transcripts(Bystander):
    """Notes what was said when nobody will say more.

    Args:
        node: Name of this gateway.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._ended: list[Stay] = []

    def ended(self, stay: Stay) -> None:
        """A session ended."""
        self._ended.append(stay)

    def collect(self) -> Sequence[Written]:
        """Give what to write."""
        ended, self._ended = self._ended, []
        rows = [
            {"of_node": self._node, "of_peer": stay.peer_id, "said": stay.said}
            for stay in ended
            if stay.said is not None
        ]
        return (Written(_KEEP, rows),)
