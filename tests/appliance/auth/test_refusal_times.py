"""Refusals hide how long the judging took."""

from itertools import pairwise

import pytest

from appliance.auth.refusal_times import PAM_SECONDS, PORTAL_SECONDS, SEVERAL_REALMS_SECONDS, rest


def test_each_door_takes_longer_than_the_one_within() -> None:
    assert all(inner < outer for inner, outer in pairwise((PAM_SECONDS, SEVERAL_REALMS_SECONDS, PORTAL_SECONDS)))


@pytest.mark.parametrize("took", [0.0, 0.25, 2.0, 2.5])
def test_whoever_was_fast_and_whoever_was_slow_take_the_same(took: float) -> None:
    assert took + rest(100.0, 2.5, 100.0 + took) == 2.5


def test_who_took_longer_waits_no_more() -> None:
    assert rest(100.0, 2.5, 103.0) == 0.0
