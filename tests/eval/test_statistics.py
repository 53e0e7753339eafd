from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.statistics import estimate_mean, estimate_percentile


def test_the_interval_of_a_half_is_the_binomials() -> None:
    estimate = estimate_mean([0.0, 1.0] * 50)
    assert estimate.value == 0.5
    assert estimate.n == 100
    assert estimate.low == pytest.approx(0.40, abs=0.015)  # 0.5 -+ 1.96 * sqrt(0.25 / 100)
    assert estimate.high == pytest.approx(0.60, abs=0.015)


def test_the_same_values_give_the_same_interval() -> None:
    assert estimate_mean([0.0, 0.5, 1.0, 1.0]) == estimate_mean([0.0, 0.5, 1.0, 1.0])


def test_no_values_have_no_mean_and_it_is_not_zero() -> None:
    assert estimate_mean([]).value is None
    assert estimate_percentile([], 95).value is None


def test_a_mean_meets_the_threshold_it_equals() -> None:
    assert estimate_mean([1.0] * 17 + [0.0] * 3).value == 0.85
    assert estimate_mean([0.1] * 10).value == 0.1  # summed one by one it would be less


def test_percentiles_by_hand() -> None:
    times = [10.0, 20.0, 30.0, 40.0, 50.0]
    assert estimate_percentile(times, 50).value == 30.0
    assert estimate_percentile(times, 95).value == pytest.approx(48.0)  # 0.8 of the way from 40 to 50


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_mean_lies_in_its_interval_and_the_interval_in_the_values(values: list[float]) -> None:
    estimate = estimate_mean(values)
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert min(values) - 1e-9 <= estimate.low <= estimate.value <= estimate.high <= max(values) + 1e-9
