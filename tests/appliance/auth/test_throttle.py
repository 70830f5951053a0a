"""How long the next attempt waits, what is written of it, and what is taken over from others."""

from __future__ import annotations

import pytest

from appliance.auth.throttle import Throttle
from appliance.lockouts import rules
from tests.appliance.gateway.recording import Time

SOURCE = "198.51.100.7"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def throttle(time: Time) -> Throttle:
    return Throttle(time.wall)


def fail(throttle: Throttle, times: int, user: str = "alice", source: str = SOURCE) -> None:
    for _ in range(times):
        throttle.failed(user, source)


def test_the_first_failures_cost_nothing(throttle: Throttle) -> None:
    fail(throttle, 2)
    assert throttle.reserve("alice", SOURCE) == 0.0


def test_waits_double_until_no_client_would_wait_so_long() -> None:
    waits = []
    for failures in range(3, 9):
        throttle = Throttle(Time().wall)
        fail(throttle, failures)
        waits.append(throttle.reserve("alice", SOURCE))
    assert waits == [1.0, 2.0, 4.0, 8.0, None, None]


def test_a_lockout_ends_after_a_quarter_of_an_hour_at_the_latest(throttle: Throttle, time: Time) -> None:
    fail(throttle, 100)
    time.pass_by(14 * 60)
    assert throttle.reserve("alice", SOURCE) is None
    time.pass_by(60)
    assert throttle.reserve("alice", SOURCE) == 0.0


def test_a_clock_that_was_ahead_locks_nobody_out_once_it_is_right(throttle: Throttle, time: Time) -> None:
    time.pass_by(400 * 86_400)
    fail(throttle, 40)
    assert throttle.reserve("alice", SOURCE) is None
    time.pass_by(-400 * 86_400)
    assert throttle.reserve("alice", SOURCE) == 0.0


def test_attempts_at_once_wait_behind_each_other_and_then_are_refused(throttle: Throttle) -> None:
    fail(throttle, 5)
    assert [throttle.reserve("alice", SOURCE) for _ in range(3)] == [4.0, 8.0, None]


def test_time_that_passed_counts(throttle: Throttle, time: Time) -> None:
    fail(throttle, 4)
    time.pass_by(1.5)
    assert throttle.reserve("alice", SOURCE) == 0.5
    time.pass_by(60.0)
    assert throttle.reserve("alice", SOURCE) == 0.0


def test_only_that_user_from_that_source_waits_however_the_name_is_written(throttle: Throttle) -> None:
    fail(throttle, 4)
    assert throttle.reserve("bob", SOURCE) == 0.0
    assert throttle.reserve("alice", "203.0.113.1") == 0.0
    assert throttle.reserve("ALICE", SOURCE) == 2.0
    fail(throttle, 3, "j\N{LATIN SMALL LETTER O WITH DIAERESIS}rg", "203.0.113.5")
    assert throttle.reserve("jo\N{COMBINING DIAERESIS}rg", "203.0.113.5") == 1.0


def test_a_user_who_is_guessed_at_from_everywhere_waits_a_minute_at_most(throttle: Throttle, time: Time) -> None:
    for number in range(40):
        throttle.failed("alice", f"198.51.{number}.1")
    assert throttle.reserve("alice", "203.0.113.1") is None
    time.pass_by(60)
    assert throttle.reserve("alice", "203.0.113.1") == 0.0


def test_a_network_that_tries_one_user_after_the_other_waits(throttle: Throttle) -> None:
    for number in range(40):
        throttle.failed(f"user{number}", f"198.51.100.{number}")
    assert throttle.reserve("bob", "198.51.100.200") is None
    assert throttle.reserve("bob", "198.51.101.200") == 0.0


def test_success_clears_the_slate_of_the_user_not_that_of_the_network(throttle: Throttle) -> None:
    fail(throttle, 40)
    throttle.succeeded("alice", SOURCE)
    assert throttle.reserve("alice", "203.0.113.1") == 0.0
    assert throttle.reserve("alice", SOURCE) is None


def test_old_failures_are_forgiven_one_after_the_other(throttle: Throttle, time: Time) -> None:
    fail(throttle, 8)
    time.pass_by(6 * 600.0)
    assert throttle.reserve("alice", SOURCE) == 0.0
    throttle.failed("alice", SOURCE)
    assert throttle.reserve("alice", SOURCE) == 1.0  # two were left, this is the third
    time.pass_by(3 * 600.0)
    throttle.failed("alice", SOURCE)
    assert throttle.reserve("alice", SOURCE) == 0.0


def test_a_flood_of_names_holds_a_bounded_memory(throttle: Throttle) -> None:
    for number in range(30_000):
        throttle.failed(f"user{number}", SOURCE)
    assert len(throttle._records) == 50_000


def test_what_strangers_type_as_a_name_is_one_printable_line_that_fits(throttle: Throttle) -> None:
    throttle.failed("al\x00ice\n\ud800" + "x" * 1000, SOURCE)
    for subject in throttle.take_changes():
        assert subject.isprintable()
        assert len(subject) <= 256


def test_what_is_written_is_what_a_restarted_gateway_knows(throttle: Throttle, time: Time) -> None:
    fail(throttle, 7)
    restarted = Throttle(time.wall)
    restarted.adopt(throttle.take_changes().items())
    assert throttle.take_changes() == {}
    assert restarted.reserve("alice", SOURCE) is None
    assert restarted.reserve("bob", SOURCE) == 0.0


def test_a_lockout_that_somebody_lifted_is_over_and_older_news_changes_nothing(throttle: Throttle, time: Time) -> None:
    fail(throttle, 7)
    before = throttle.take_changes()
    time.pass_by(1)
    throttle.adopt((subject, rules.forgiven(time.wall())) for subject in before)
    assert throttle.reserve("alice", SOURCE) == 0.0
    throttle.adopt(before.items())
    assert throttle.reserve("alice", SOURCE) == 0.0


def test_there_is_something_to_write_after_a_failure_and_after_the_success_that_ends_them(time: Time) -> None:
    woken: list[None] = []
    throttle = Throttle(time.wall, wake=lambda: woken.append(None))
    throttle.succeeded("alice", SOURCE)
    assert not woken
    throttle.failed("alice", SOURCE)
    throttle.succeeded("alice", SOURCE)
    assert woken
    written = throttle.take_changes()
    assert [record.failures for record in written.values()] == [0, 0, 1]
