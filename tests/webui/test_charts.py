"""Charts: paths that stay in their frame, and the same in words and as a table."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from appliance.samples.schemas import History, Step
from webui import charts

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def history(*octets_out: int) -> History:
    steps = [Step(at=AT + timedelta(minutes=number), octets_out=each) for number, each in enumerate(octets_out)]
    return History(step_seconds=60, steps=steps)


@pytest.mark.parametrize("octets", [(0, 0, 0), (5, 5), (0, 75_000_000, 0, 0, 0, 30_000_000)])
def test_lines_stay_in_the_frame(octets: tuple[int, ...]) -> None:
    chart = charts.traffic(history(*octets))
    for series in chart.series:
        points = [tuple(map(float, point.split(","))) for point in series.line[1:].split("L")]
        assert (points[0][0], points[-1][0]) == (0, chart.width)
        assert all(0 <= x <= chart.width and 0 <= y <= chart.height for x, y in points)
        assert re.fullmatch(r"M0,150L[0-9.,L]+Z", series.area)


def test_the_highest_value_is_said_and_only_what_happened_is_in_the_table() -> None:
    chart = charts.traffic(history(0, 75_000_000, 0))
    assert chart.most == "10.0 Mbit/s"
    assert chart.words.startswith("Over the last 3 min: at most 10.0 Mbit/s, in the last step 0 bit/s to clients")
    assert [(row.at, row.texts) for row in chart.rows] == [(AT + timedelta(minutes=1), ("10.0 Mbit/s", "0 bit/s"))]


def test_a_quiet_night_is_a_straight_line() -> None:
    assert charts.traffic(history(*[0] * 500)).series[0].line.count("L") == 1
