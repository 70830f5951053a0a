"""How transcripts lie in the database: small, for every session that ended keeps its own."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from appliance.transcripts.schemas import Probe, TranscriptLine, TranscriptView
from ike_engine import transcript as engine

_FIELDS: Final = (
    *("seconds", "what", "sent", "exchange", "number", "protected", "payloads", "octets", "fragments", "says"),
    *("times", "lasted", "probes"),
)
_DEFAULTS: Final[tuple[Any, ...]] = (None, engine.What.MESSAGE.value, False, "", 0, False, [], 0, 1, "", 1, None, [])
_LONGEST_WORDS: Final = 512
_MILLISECONDS: Final = 3

Stored = dict[str, Any]


def pack(lines: Sequence[engine.TranscriptLine], moment: Callable[[float], datetime]) -> Stored | None:
    """Give what to store; ``None`` for nothing.

    Args:
        lines: From the engine.
        moment: Makes an aware time of one on the engine's clock.
    """
    if not lines:
        return None
    began = lines[0].at
    return {"began": moment(began).isoformat(), "lines": [_packed(line, began) for line in lines]}


def unpack(stored: Stored | None, *, complete: bool) -> TranscriptView:
    """Give what was stored as it is shown."""
    if stored is None:
        return TranscriptView(complete=complete, lines=[])
    began = datetime.fromisoformat(stored["began"]).astimezone(UTC)
    return TranscriptView(complete=complete, lines=[_unpacked(values, began) for values in stored["lines"]])


def _packed(line: engine.TranscriptLine, began: float) -> list[Any]:
    """The fields in their order; those at the end that are as always are left out."""
    values = [
        round(line.at - began, _MILLISECONDS),
        line.what.value,
        line.sent,
        line.exchange,
        line.number,
        line.protected,
        list(line.payloads),
        line.octets,
        line.fragments,
        _printable(line.says),
        line.times,
        _since(line.at, line.until),
        [[_since(line.at, probe.at), probe.tries, _since(probe.at, probe.answered_at)] for probe in line.probes],
    ]
    while values[-1] == _DEFAULTS[len(values) - 1]:
        values.pop()
    return values


def _unpacked(values: list[Any], began: datetime) -> TranscriptLine:
    known = dict(zip(_FIELDS, values, strict=False))
    lasted = known.pop("lasted", None)
    at = began + timedelta(seconds=known["seconds"])
    probes = tuple(_probe(at, *probe) for probe in known.pop("probes", ()))
    return TranscriptLine(at=at, until=_after(at, lasted), probes=probes, **known)


def _probe(line_at: datetime, seconds: float, tries: int, answered: float | None) -> Probe:
    at = line_at + timedelta(seconds=seconds)
    measured = answered if tries == 1 else None
    return Probe(at=at, tries=tries, answered_at=_after(at, answered), round_trip_seconds=measured)


def _since(at: float, later: float | None) -> float | None:
    return None if later is None else round(later - at, _MILLISECONDS)


def _after(at: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else at + timedelta(seconds=seconds)


def _printable(words: str) -> str:
    """A peer chose some of them."""
    if not words.isprintable():
        words = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in words)
    return words[:_LONGEST_WORDS]
