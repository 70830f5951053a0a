"""How long the next attempt waits."""

from __future__ import annotations

from appliance.auth.throttle import Throttle

SOURCE = "198.51.100.7"


def fail(throttle: Throttle, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.failed("alice", SOURCE, now)


def test_the_first_failures_cost_nothing() -> None:
    throttle = Throttle()
    fail(throttle, 2)
    assert throttle.reserve("alice", SOURCE, 0.0) == 0.0


def test_waits_double_up_to_a_bound() -> None:
    waits = []
    for failures in range(3, 9):
        throttle = Throttle()
        fail(throttle, failures)
        waits.append(throttle.reserve("alice", SOURCE, 0.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_attempts_at_once_wait_behind_each_other_and_then_are_refused() -> None:
    throttle = Throttle()
    fail(throttle, 5)
    assert [throttle.reserve("alice", SOURCE, 0.0) for _ in range(3)] == [4.0, 8.0, None]


def test_time_that_passed_counts() -> None:
    throttle = Throttle()
    fail(throttle, 4)
    assert throttle.reserve("alice", SOURCE, 1.5) == 0.5
    assert throttle.reserve("alice", SOURCE, 60.0) == 0.0


def test_only_that_user_from_that_source_waits_however_the_name_is_written() -> None:
    throttle = Throttle()
    fail(throttle, 4)
    assert throttle.reserve("bob", SOURCE, 0.0) == 0.0
    assert throttle.reserve("alice", "203.0.113.1", 0.0) == 0.0
    assert throttle.reserve("ALICE", SOURCE, 0.0) == 2.0


def test_success_clears_the_slate() -> None:
    throttle = Throttle()
    fail(throttle, 8)
    throttle.succeeded("alice", SOURCE)
    assert throttle.reserve("alice", SOURCE, 0.0) == 0.0


def test_old_failures_are_forgotten() -> None:
    throttle = Throttle()
    fail(throttle, 8)
    assert throttle.reserve("alice", SOURCE, 1000.0) == 0.0
    throttle.failed("alice", SOURCE, 1000.0)
    assert throttle.reserve("alice", SOURCE, 1000.0) == 0.0


def test_a_flood_of_names_holds_a_bounded_memory() -> None:
    throttle = Throttle()
    for number in range(60_000):
        throttle.failed(f"user{number}", SOURCE, 0.0)
    assert len(throttle._records) == 50_000
