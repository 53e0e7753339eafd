from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.reliability import calibration_error, risk_coverage

PAIRS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def test_confidences_that_come_true_as_often_as_they_say_have_no_error() -> None:
    assert calibration_error([(0.75, True)] * 3 + [(0.75, False)]) == pytest.approx(0.0)
    assert calibration_error([(1.0, True), (0.0, False)]) == pytest.approx(0.0)


def test_the_error_is_how_far_off_they_are() -> None:
    assert calibration_error([(0.9, False)] * 4) == pytest.approx(0.9)
    assert calibration_error([(0.95, True), (0.15, True)]) == pytest.approx((0.05 + 0.85) / 2)
    assert calibration_error([]) is None


def test_over_and_under_confidence_in_one_bin_do_not_add_up() -> None:
    assert calibration_error([(0.51, True), (0.59, False)]) == pytest.approx(0.05)


@given(PAIRS)
def test_the_error_is_a_share(pairs: list[tuple[float, bool]]) -> None:
    error = calibration_error(pairs)
    assert error is not None
    assert 0.0 <= error <= 1.0 + 1e-9


def test_the_surest_answers_come_first() -> None:
    pairs = [(0.4, False), (0.9, True), (0.6, True), (0.6, False)]
    assert risk_coverage(pairs, 8) == ((1 / 8, 0.0), (3 / 8, 1 / 3), (4 / 8, 1 / 2))
    assert risk_coverage([], 8) == ()


@given(PAIRS, st.integers(0, 10))
def test_coverage_grows_to_what_was_answered_and_the_last_risk_is_the_share_wrong(
    pairs: list[tuple[float, bool]], unanswered: int
) -> None:
    asked = len(pairs) + unanswered
    curve = risk_coverage(pairs, asked)
    assert [coverage for coverage, _ in curve] == sorted({coverage for coverage, _ in curve})
    assert curve[-1] == pytest.approx((len(pairs) / asked, sum(not right for _, right in pairs) / len(pairs)))
