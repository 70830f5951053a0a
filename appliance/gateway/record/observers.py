"""Who else is told of sessions: accounting, history, limits.

The projector tells all observers of the same events, in the event loop and in order; none of them
may wait. What an observer wants in the database goes along with the gateway's own rows, in the same
transaction, or stays noted until the database is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Delete, Insert, Update

    from appliance.gateway.record.rows import Row
    from appliance.gateway.record.stay import Stay
    from ike_engine.events import PeerRefused


class Written(NamedTuple):
    """A statement to run with each of these rows of parameters.

    The statement must be one of a few constants: equal ones are put together.
    """

    statement: Insert | Update | Delete
    rows: Sequence[Row]


class SessionObserver(Protocol):
    """Someone who is told of sessions."""

    def began(self, stay: Stay) -> None:
        """A session began."""

    def resumed(self, stay: Stay) -> None:
        """A session that began in an earlier process goes on in this one."""

    def changed(self, stay: Stay) -> None:
        """Something of a live session changed: its traffic, its path, its SAs."""

    def ended(self, stay: Stay) -> None:
        """A session ended; its columns say why. Its last octets may still come by ``changed``."""

    def refused(self, event: PeerRefused) -> None:
        """A client was turned away; not every one when strangers come too fast to be written down."""

    def collect(self) -> Sequence[Written]:
        """Give what to write since the last call; it is kept until it is written."""


class Bystander:
    """An observer that does nothing: to be built on by those who care for some of it."""

    def began(self, stay: Stay) -> None:
        """A session began."""

    def resumed(self, stay: Stay) -> None:
        """A session goes on."""

    def changed(self, stay: Stay) -> None:
        """Something of a live session changed."""

    def ended(self, stay: Stay) -> None:
        """A session ended."""

    def refused(self, event: PeerRefused) -> None:
        """A client was turned away."""

    def collect(self) -> Sequence[Written]:
        """Give what to write."""
        return ()
