"""A threshold fitted to how sure answers were."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.calibrate import (
    FORMAT,
    MIN_CASES,
    Calibration,
    Sureness,
    between,
    choose_threshold,
    expect,
    read_calibration,
    write_calibration,
)
from eval.errors import CalibrationError, SuiteError
from eval.types import Estimate


def sure(answerable: list[float], others: list[float]) -> list[Sureness]:
    kinds = [(True, value) for value in answerable] + [(False, value) for value in others]
    return [Sureness(f"case-{n}", answerable, value) for n, (answerable, value) in enumerate(kinds)]


APART = sure([0.6 + 0.01 * n for n in range(20)], [0.1 + 0.01 * n for n in range(20)])


def test_where_the_two_kinds_are_apart_the_threshold_is_in_the_middle() -> None:
    assert choose_threshold(APART) == pytest.approx(0.45, abs=0.01)  # unanswerable up to .29, answerable from .60


def test_where_they_mix_the_threshold_is_about_as_good_as_the_best() -> None:
    chance = random.Random(3)
    mixed = sure([chance.gauss(0.6, 0.2) for _ in range(60)], [chance.gauss(0.4, 0.2) for _ in range(60)])

    def balanced(threshold: float) -> float:
        _, recall, kept = expect(mixed, threshold)
        assert recall.value is not None and kept.value is not None
        return (recall.value + kept.value) / 2

    best = max(balanced(n / 100) for n in range(5, 96))
    assert 0.4 < choose_threshold(mixed) < 0.6
    assert balanced(choose_threshold(mixed)) >= best - 0.05  # a standard error of 60 and 60


@pytest.mark.parametrize(("n_answerable", "n_others"), [(MIN_CASES - 1, 50), (50, MIN_CASES - 1), (0, 0)])
def test_too_few_questions_are_refused(n_answerable: int, n_others: int) -> None:
    with pytest.raises(SuiteError, match=f"{n_answerable} answerable and {n_others} unanswerable"):
        choose_threshold(sure([0.9] * n_answerable, [0.1] * n_others))


def test_what_to_expect_of_a_threshold() -> None:
    precision, recall, kept = expect(sure([0.2, 0.6, 0.8, 0.9], [0.1, 0.3, 0.7]), 0.5)
    assert [precision.value, recall.value, kept.value] == pytest.approx([2 / 3, 2 / 3, 0.75])
    assert (precision.n, recall.n, kept.n) == (3, 3, 4)


def test_without_a_threshold_no_question_is_judged_by_one_that_it_moved() -> None:
    assert expect(APART)[2].value == expect(APART)[1].value == 1.0
    lucky = sure([0.9] * 12 + [0.30], [0.1] * 12)
    assert expect(lucky, choose_threshold(lucky))[2].value == 1.0
    assert expect(lucky)[2].value == pytest.approx(12 / 13)  # without the .30 the middle is at .5


@given(
    st.lists(st.floats(0, 1), min_size=MIN_CASES, max_size=30),
    st.lists(st.floats(0, 1), min_size=MIN_CASES, max_size=30),
)
def test_any_confidences_give_a_threshold_and_shares(answerable: list[float], others: list[float]) -> None:
    questions = sure(answerable, others)
    assert 0 < choose_threshold(questions) < 1
    for estimate in expect(questions):
        assert estimate.value is None or 0 <= estimate.value <= 1


def test_half_way_is_by_log_odds() -> None:
    assert between(0.5, 0.5) == 0.5
    assert between(0.1, 0.9) == 0.5
    assert 0.35 < between(0.35, 0.65) < 0.65


# -- on disk -----------------------------------------------------------------------------------------------------------

SOME = Estimate(0.8, 0.7, 0.9, 20)
FOUND = Calibration(FORMAT, 0.4, SOME, SOME, SOME, True, "", "000001", "ab12", "2026-01-01T00:00:00+00:00")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_calibration(tmp_path / "calibration.json") is None
    write_calibration(tmp_path / "calibration.json", FOUND)
    assert read_calibration(tmp_path / "calibration.json") == FOUND


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\udcff"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "calibration.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CalibrationError, match="footnote eval calibrate"):
        read_calibration(tmp_path / "calibration.json")


@pytest.mark.parametrize("wrong", [replace(FOUND, format=FORMAT + 1), replace(FOUND, min_confidence=1.5)])
def test_another_format_is_not_used(tmp_path: Path, wrong: Calibration) -> None:
    write_calibration(tmp_path / "calibration.json", wrong)
    with pytest.raises(CalibrationError):
        read_calibration(tmp_path / "calibration.json")
