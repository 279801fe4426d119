"""Durations: counted for ever, their quantiles of the last spans only."""

import math

import pytest

from api.durations import QUANTILES, SPAN_SECONDS, Durations


def quantiles(durations: Durations, now_seconds: float) -> dict[float, float]:
    return dict(durations.quantiles(now_seconds))


def test_quantiles_are_right_to_within_a_class() -> None:
    durations = Durations()
    for millis in range(1, 1001):
        durations.add(millis / 1000, now_seconds=1.0)
    found = quantiles(durations, 1.0)
    assert list(found) == list(QUANTILES)
    for quantile, seconds in found.items():
        assert seconds == pytest.approx(quantile, rel=0.12)
    assert durations.count == 1000
    assert durations.total_seconds == pytest.approx(500.5)


def test_the_smallest_and_the_longest_have_a_class() -> None:
    durations = Durations()
    durations.add(0.0, now_seconds=1.0)
    durations.add(-1.0, now_seconds=1.0)  # a clock that is not as steady as it should be
    assert quantiles(durations, 1.0)[0.5] < 2e-6
    for _ in range(20):
        durations.add(1e9, now_seconds=1.0)
    assert 100 < quantiles(durations, 1.0)[0.5] < 140


def test_what_is_long_past_counts_no_more_but_in_the_totals() -> None:
    durations = Durations()
    durations.add(8.0, now_seconds=10.0)
    durations.add(0.001, now_seconds=10.0 + SPAN_SECONDS)
    assert quantiles(durations, 10.0 + SPAN_SECONDS)[0.99] > 7
    durations.add(0.001, now_seconds=10.0 + 2 * SPAN_SECONDS)
    assert quantiles(durations, 10.0 + 2 * SPAN_SECONDS)[0.999] < 0.01
    later = quantiles(durations, 10.0 + 9 * SPAN_SECONDS)
    assert all(math.isnan(seconds) for seconds in later.values())
    assert durations.count == 3
