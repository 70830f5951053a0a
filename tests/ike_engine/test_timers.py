"""Moments come up in order, once, and cancelled ones not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ike_engine.timers import Timers


def run(timers: Timers, now: float) -> None:
    while (action := timers.due(now)) is not None:
        action()


def test_what_is_due_comes_in_the_order_of_its_moments() -> None:
    timers, called = Timers(), []
    for at in (3.0, 1.0, 2.0):
        timers.set(at, lambda at=at: called.append(at))  # type: ignore[misc]
    run(timers, 2.0)
    assert called == [1.0, 2.0]
    assert timers.next() == 3.0


def test_of_one_moment_the_first_that_was_set_comes_first() -> None:
    timers, called = Timers(), []
    for name in "abc":
        timers.set(1.0, lambda name=name: called.append(name))  # type: ignore[misc]
    run(timers, 1.0)
    assert called == ["a", "b", "c"]


def test_a_cancelled_moment_is_not_waited_for() -> None:
    timers, called = Timers(), []
    first = timers.set(1.0, lambda: called.append("first"))
    timers.set(2.0, lambda: called.append("second"))
    first.cancel()
    first.cancel()
    assert timers.next() == 2.0
    run(timers, 5.0)
    assert called == ["second"]
    assert timers.next() is None


def test_cancelling_what_has_passed_is_harmless() -> None:
    timers, called = Timers(), []
    timer = timers.set(1.0, lambda: called.append("once"))
    run(timers, 1.0)
    timer.cancel()
    run(timers, 2.0)
    assert called == ["once"]


def test_an_action_may_set_and_cancel_others_that_are_due() -> None:
    timers, called = Timers(), []
    second = timers.set(2.0, lambda: called.append("second"))

    def first() -> None:
        second.cancel()
        timers.set(0.5, lambda: called.append("late"))

    timers.set(1.0, first)
    run(timers, 3.0)
    assert called == ["late"]


def test_moments_that_nobody_wants_any_more_are_not_kept_for_ever() -> None:
    timers = Timers()
    kept = [timers.set(1e9 + number, lambda: None) for number in range(10)]
    for number in range(100_000):
        timers.set(1e6 + number, lambda: None).cancel()
    assert len(timers._heap) <= 4_097
    assert timers.next() == kept[0].at


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())))
def test_every_moment_comes_once_unless_it_was_cancelled(moments: list[tuple[float, bool]]) -> None:
    timers, called = Timers(), []
    for number, (at, cancelled) in enumerate(moments):
        timer = timers.set(at, lambda number=number: called.append(number))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    run(timers, 100.0)
    wanted = [(at, number) for number, (at, cancelled) in enumerate(moments) if not cancelled]
    assert called == [number for _, number in sorted(wanted)]
