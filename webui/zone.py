"""The reader's time zone: moments are shown in it, days are filtered by it, and what is typed is meant in it.

It is that of the setting ``panel_time_zone``; where that says nothing, the browser's, which a script tells in a cookie
(``static/zone.js``); else UTC. One request is read in one zone, which whoever makes a page finds here.
"""

from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from typing import Final

from appliance import time_zones

COOKIE: Final = "__Host-coati-zone"

_here: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def enter(name: str) -> None:
    """Read this request in a zone.

    Args:
        name: Of the IANA database; one that nobody knows, as a browser may send any, is UTC.
    """
    try:
        _here.set(time_zones.named(name or "UTC"))
    except ValueError:
        _here.set(UTC)


def name() -> str:
    """Give what the zone is called."""
    return str(_here.get())


def local(at: datetime) -> datetime:
    """Give a moment on the reader's clock; the last moments of all, by which certificates mean never, as they are."""
    try:
        return at.astimezone(_here.get())
    except OverflowError:
        return at


def meant(typed: str) -> str:
    """Give the moment that somebody means who typed a day and a time without a zone, with its offset.

    Raises:
        ValueError: there is no such day or time.
    """
    return datetime.fromisoformat(typed).replace(tzinfo=_here.get()).astimezone(UTC).isoformat()
