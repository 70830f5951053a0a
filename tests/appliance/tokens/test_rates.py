"""A minute's worth at once, then at an even pace; each subject for itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.tokens.rates import Rates


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_at_once_then_one_for_each_share_of_a_minute() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert [rates.take("a", 30) for _ in range(30)] == [0.0] * 30
    assert rates.take("a", 30) == pytest.approx(2.0)
    assert rates.take("a", 30) == pytest.approx(2.0)  # being refused costs nothing
    assert rates.take("b", 30) == 0.0
    clock.now += 2.0
    assert rates.take("a", 30) == 0.0
    assert rates.take("a", 30) > 0.0
    clock.now += 3_600.0
    assert [rates.take("a", 30) for _ in range(31)][-2:] == [0.0, pytest.approx(2.0)]


def test_no_limit_is_none() -> None:
    rates = Rates(Clock())
    assert {rates.take("a", 0) for _ in range(10_000)} == {0.0}


@given(st.lists(st.floats(0, 90), max_size=300), st.integers(1, 50))
def test_no_minute_sees_more_than_twice_what_is_allowed_and_patience_is_enough(pauses: list[float], limit: int) -> None:
    clock = Clock()
    rates = Rates(clock)
    taken: list[float] = []
    for pause in pauses:
        clock.now += pause
        if wait := rates.take("a", limit):
            clock.now += wait
            assert rates.take("a", limit) == 0.0
        taken.append(clock.now)
    for begin in taken:
        assert sum(begin <= at < begin + 60 for at in taken) <= 2 * limit
