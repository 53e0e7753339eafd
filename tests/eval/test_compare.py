"""Pairing two runs, and what may be called a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.compare import Run, compare, read_run, sign_test
from eval.compare_page import comparison_html
from eval.errors import SuiteError
from eval.measures import PER_CASE
from eval.summary import summarise
from eval.types import Case, Failure, Record, Suite

MEASURE = "answer_correct"


def run(values: Mapping[str, float | None], name: str = "run", **failures: str) -> Run:
    """A run with one record a question, whose only measure has this value."""
    records = tuple(
        Record(
            Case(id_, f"Question {id_}?", True),
            (),
            None,
            Failure(failures[id_], "broken") if id_ in failures else None,
            1.0,
            {**dict.fromkeys(PER_CASE), MEASURE: value},
            {},
            passed=value == 1.0 and id_ not in failures,
        )
        for id_, value in values.items()
    )
    suite = Suite("port", "docs", Path(), tuple(record.case for record in records), (), "0")
    return Run(name, summarise(suite, records, {}, "2026-01-01T00:00:00+00:00"), records)


def of(n: int, right: int) -> dict[str, float | None]:
    return {f"q{i:02}": float(i < right) for i in range(n)}


def by_hand(better: int, worse: int) -> float:
    """Every way that so many fair coins can fall, those at least as uneven counted."""
    n, seen = better + worse, abs(better - worse)
    ways = [abs(2 * sum(coins) - n) >= seen for coins in product((0, 1), repeat=n)]
    return sum(ways) / len(ways)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (3, 3), (5, 0), (7, 2), (0, 10), (6, 5)])
def test_the_sign_test_counts_coins(better: int, worse: int) -> None:
    assert sign_test(better, worse) == pytest.approx(by_hand(better, worse))
    assert sign_test(better, worse) == sign_test(worse, better)


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_is_a_probability_and_falls_as_the_split_grows(better: int, worse: int) -> None:
    assert 0 < sign_test(better, worse) <= 1
    if better > worse:
        assert sign_test(better + 1, worse) <= sign_test(better, worse) + 1e-12


def test_a_run_beside_itself_changed_nothing() -> None:
    found = compare(run(of(20, 10)), run(of(20, 10)))
    assert (found.verdict, found.changes) == ("Nothing changed.", ())


def test_many_questions_lost_is_worse_and_many_won_is_better() -> None:
    worse = compare(run(of(40, 40)), run(of(40, 20)))
    assert {one.measure: one.verdict for one in worse.differences} == {MEASURE: "worse", "passed": "worse"}
    assert "worse in" in worse.verdict
    better = compare(run(of(40, 20)), run(of(40, 40)))
    assert {one.verdict for one in better.differences} == {"better"}


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_a_few_questions_lost_may_be_chance(lost: int) -> None:
    found = compare(run(of(40, 40)), run(of(40, 40 - lost)))
    assert {one.verdict for one in found.differences} == {""}
    assert found.verdict == "No difference that could not be chance."
    assert [change.id for change in found.changes] == [f"q{i:02}" for i in range(40 - lost, 40)]


def test_as_many_won_as_lost_is_no_difference() -> None:
    swapped = {id_: 1.0 - (value or 0.0) for id_, value in of(40, 20).items()}
    found = compare(run(of(40, 20)), run(swapped))
    assert len(found.changes) == 40
    assert found.verdict == "No difference that could not be chance."


def test_questions_of_one_run_alone_are_listed_and_not_compared() -> None:
    found = compare(run({"a": 1.0, "b": 1.0}), run({"b": 1.0, "c": 0.0}))
    assert (found.cases, found.only_before, found.only_after) == (1, ("a",), ("c",))
    with pytest.raises(SuiteError, match="share no question"):
        compare(run({"a": 1.0}), run({"b": 1.0}))


def test_a_question_put_otherwise_is_another_question() -> None:
    later = run({"a": 1.0, "b": 1.0})
    asked = replace(later.records[0], case=replace(later.records[0].case, question="Something else?"))
    found = compare(run({"a": 1.0, "b": 1.0}), replace(later, records=(asked, later.records[1])))
    assert (found.cases, found.only_before, found.only_after) == (1, ("a",), ("a",))


def test_a_measure_is_compared_where_it_applies_in_both() -> None:
    found = compare(run({"a": 1.0, "b": None, "c": 0.0}), run({"a": 0.0, "b": 1.0, "c": None}))
    (one,) = [one for one in found.differences if one.measure == MEASURE]
    assert (one.before, one.after, one.change.n) == (1.0, 0.0, 1)


def test_one_that_could_not_be_run_is_worse_than_one_that_could() -> None:
    found = compare(run({"a": 1.0}), run({"a": 0.0}, a="OSError"))
    (change,) = found.changes
    assert "OSError" in change.after
    assert change.passed_before and not change.passed_after


def test_the_page_shows_texts_as_texts() -> None:
    evil = run({"<script>alert(1)</script>": 1.0})
    page = comparison_html(compare(evil, run({"<script>alert(1)</script>": 0.0})))
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="footnote eval run"):
        read_run(tmp_path)


def test_holm_asks_more_of_each_measure_the_more_there_are() -> None:
    five = {id_: (0.0 if id_ < "q06" else value) for id_, value in of(40, 40).items()}
    (one, _) = compare(run(of(40, 40)), run(five)).differences
    assert math.isclose(one.p, sign_test(0, 6)) and one.p < 0.05
    assert one.p > 0.05 / 2 or one.verdict == "worse"
