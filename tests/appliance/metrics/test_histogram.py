"""Durations by bounds, as Prometheus wants them."""

import json

from appliance.metrics.histogram import BOUNDS_SECONDS, Histogram, cumulative


def test_a_duration_is_counted_in_every_bucket_that_it_fits() -> None:
    histogram = Histogram()
    for seconds in (0.004, 0.005, 0.3, 0.3, 99.0):
        histogram.observe(seconds)
    buckets = dict(cumulative(json.loads(json.dumps(histogram.as_counters()))))
    assert (buckets["0.005"], buckets["0.01"]) == (2, 2)
    assert (buckets["0.25"], buckets["0.5"], buckets["30.0"]) == (2, 4, 4)
    assert buckets["+Inf"] == 5
    assert list(buckets)[:-1] == [str(bound) for bound in BOUNDS_SECONDS]


def test_the_sum_goes_along() -> None:
    histogram = Histogram()
    histogram.observe(0.25)
    histogram.observe(1.5)
    assert histogram.as_counters()["sum"] == 1.75


def test_bounds_of_another_version_are_read() -> None:
    assert list(cumulative({"bounds": [1.0], "counts": [2, 3], "sum": 9.0})) == [("1.0", 2), ("+Inf", 5)]
