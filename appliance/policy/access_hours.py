"""Access hours: at which hours of the week somebody may be in, in a time zone's local time.

Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Berlin
22:00-06:00                                          every day, past midnight, UTC
always
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple, Self

from appliance import time_zones

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES: Final = 24 * 60
_SPAN: Final = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(?P<from>\d\d?:\d\d)-(?P<to>\d\d?:\d\d)\Z", re.IGNORECASE
)
_EXAMPLE: Final = "write for example: Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Berlin"


class Span(NamedTuple):
    """From a minute to another one, on the days of the week from ``first`` to ``last``.

    A span whose end is not after its beginning goes on past midnight.
    """

    first: int
    last: int
    begins: int
    ends: int

    def __str__(self) -> str:
        days = _DAYS[self.first] if self.first == self.last else f"{_DAYS[self.first]}-{_DAYS[self.last]}"
        hours = f"{_clock(self.begins)}-{_clock(self.ends)}"
        return hours if (self.first, self.last) == (0, 6) else f"{days} {hours}"

    def days(self) -> set[int]:
        """Give the days on which it begins."""
        return {(self.first + number) % 7 for number in range((self.last - self.first) % 7 + 1)}

    def holds(self, day: int, minute: int) -> bool:
        """Whether this minute of this day of the week is within."""
        if self.begins < self.ends:
            return day in self.days() and self.begins <= minute < self.ends
        return (day in self.days() and minute >= self.begins) or ((day - 1) % 7 in self.days() and minute < self.ends)


@dataclass(frozen=True, slots=True)
class AccessHours:
    """The hours; none at all is always."""

    spans: tuple[Span, ...] = ()
    zone: str = "UTC"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what the module's first lines show.

        Raises:
            ValueError: it is not that, in words.
        """
        text = " ".join(text.split())
        if text.lower() in ("", "always"):
            return cls()
        parts = [part.strip() for part in text.split(",")]
        last, _, zone = parts[-1].rpartition(" ")
        if last and not _SPAN.match(parts[-1]):
            parts[-1] = last
        else:
            zone = "UTC"
        hours = cls(tuple(map(_span, parts)), zone)
        hours.local()
        return hours

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.spans))} {self.zone}" if self.spans else "always"

    def local(self) -> tzinfo:
        """Give the zone.

        Raises:
            ValueError: there is none of this name.
        """
        try:
            return time_zones.named(self.zone)
        except ValueError as error:
            raise ValueError(f"{error}; {_EXAMPLE}") from None

    def allow(self, at: datetime) -> bool:
        """Whether somebody may be in at this moment (aware)."""
        local = at.astimezone(self.local())
        minute = local.hour * 60 + local.minute
        return not self.spans or any(span.holds(local.weekday(), minute) for span in self.spans)

    def end_after(self, at: datetime) -> datetime | None:
        """Give the moment at which who is in at ``at`` must leave; ``None``: never."""
        if not self.spans:
            return None
        zone = self.local()
        # The clock is asked at every boundary of a span, so that a change to summer time moves the end with it.
        boundaries = sorted({minute for span in self.spans for minute in (span.begins, span.ends % _DAY_MINUTES)})
        day = at.astimezone(zone).date()
        for number in range(9):
            for minute in boundaries:
                wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
                moment = (wall + timedelta(days=number)).astimezone(UTC)
                if moment > at and not self.allow(moment):
                    return moment
        return None


def _span(text: str) -> Span:
    found = _SPAN.match(text)
    if found is None:
        raise ValueError(f"{text!r} are no hours; {_EXAMPLE}")
    first = _day(found["first"]) if found["first"] else 0
    last = _day(found["last"]) if found["last"] else first if found["first"] else 6
    return Span(first, last, _minutes(found["from"]), _minutes(found["to"]))


def _day(text: str) -> int:
    if text.capitalize() not in _DAYS:
        raise ValueError(f"{text!r} is not a day; days are {', '.join(_DAYS)}")
    return _DAYS.index(text.capitalize())


def _minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes >= 60 or hours * 60 + minutes > _DAY_MINUTES:
        raise ValueError(f"{text!r} is not a time of day")
    return hours * 60 + minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
