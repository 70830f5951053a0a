"""Lines over time as the paths of an SVG; the numbers stand beside them in words and in a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from appliance.samples.schemas import History
from webui.rendering import duration, rate

_WIDTH: Final = 720
_HEIGHT: Final = 150
_LINES: Final = 4
_ROOM: Final = 1.08


@dataclass(frozen=True, slots=True)
class Series:
    """One line, and the area under it.

    Attributes:
        name: What it shows.
        line: Path data.
        area: Path data.
    """

    name: str
    line: str
    area: str


@dataclass(frozen=True, slots=True)
class Row:
    """One step in the table."""

    at: datetime
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What ``macros.html`` draws a chart from.

    Attributes:
        series: One or two lines.
        words: The same for who does not see it.
        first: When it begins.
        most: The highest value, in words.
        rows: The table: only steps in which something happened.
        grid: Path data of the lines behind it.
    """

    series: tuple[Series, ...]
    words: str
    first: datetime
    most: str
    rows: tuple[Row, ...]
    grid: str = "".join(f"M0,{_HEIGHT * line / _LINES:g}H{_WIDTH}" for line in range(1, _LINES))
    width: int = _WIDTH
    height: int = _HEIGHT


def traffic(history: History) -> Chart:
    """Draw how fast it went in both directions."""
    a_second = 1 / history.step_seconds
    return _chart(
        history,
        {
            "to clients": [step.octets_out * a_second for step in history.steps],
            "from clients": [step.octets_in * a_second for step in history.steps],
        },
        rate,
    )


def sessions(history: History) -> Chart:
    """Draw how many were connected."""
    return _chart(history, {"connected": [step.sessions for step in history.steps]}, _count)


def logins(history: History) -> Chart:
    """Draw who came in and who was turned away."""
    each = {
        "logins": [step.logins for step in history.steps],
        "refused": [step.refusals for step in history.steps],
    }
    return _chart(history, each, _count)


def _chart(history: History, values: Mapping[str, Sequence[float]], words: Callable[[float], str]) -> Chart:
    most = max((value for line in values.values() for value in line), default=0)
    top = (most or 1) * _ROOM
    last = ", ".join(f"{words(line[-1])} {name}" for name, line in values.items())
    reach = duration((history.steps[-1].at - history.steps[0].at).total_seconds() + history.step_seconds)
    return Chart(
        series=tuple(Series(name, *_paths(line, top)) for name, line in values.items()),
        words=f"Over the last {reach}: at most {words(most)}, in the last step {last}",
        first=history.steps[0].at,
        most=words(most),
        rows=tuple(
            Row(step.at, tuple(map(words, each)))
            for step, *each in zip(history.steps, *values.values(), strict=True)
            if any(each)
        ),
    )


def _paths(values: Sequence[float], top: float) -> tuple[str, str]:
    a_step = _WIDTH / max(len(values) - 1, 1)
    points = [(number * a_step, _HEIGHT - value * _HEIGHT / top) for number, value in enumerate(values)]
    # Points on a straight line need not be said: most of a quiet night is one.
    bends = [
        point
        for before, point, after in zip([None, *points], points, [*points[1:], None], strict=False)
        if before is None or after is None or not before[1] == point[1] == after[1]
    ]
    line = "L".join(f"{x:.1f},{y:.1f}" for x, y in bends)
    return f"M{line}", f"M0,{_HEIGHT}L{line}L{_WIDTH},{_HEIGHT}Z"


def _count(value: float) -> str:
    return f"{value:,.0f}"
