"""The same question in other words should be answered from the same places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.consistency import consistency
from eval.errors import SuiteError
from eval.evidence import resolve
from eval.run import run_case
from eval.summary import summarise_measures
from eval.types import Failure, Record
from rag.types import Answer
from tests.eval.story import CORPUS, OPENED, TEXTS, abstention, answer, suite

SINCE = {**OPENED, "id": "since", "question": "Since when has the harbour been open?", "same_as": "opened"}
OPENING = ("doc-h", "The harbour opened in 1912.")
SHIPS = ("doc-h", "About 13,000 ships call each year.")


def asked(folder: Path, *answers: Answer) -> list[Record]:
    """`opened` and `since`, with these answers."""
    cases = resolve(suite(folder, [OPENED, SINCE]), TEXTS).cases
    told = iter(answers)
    return [run_case(case, ask=lambda _: next(told), corpus=CORPUS) for case in cases]


def agreement(folder: Path, *answers: Answer) -> list[float]:
    return consistency(asked(folder, *answers))


def test_two_answers_from_the_same_places_agree(tmp_path: Path) -> None:
    assert agreement(tmp_path / "a", answer(OPENING), answer(OPENING)) == [1.0]
    assert agreement(tmp_path / "b", answer(OPENING), answer(OPENING, SHIPS)) == [pytest.approx(2 / 3)]
    assert agreement(tmp_path / "c", answer(OPENING), answer(SHIPS)) == [0.0]


def test_a_part_of_a_sentence_is_the_same_place(tmp_path: Path) -> None:
    assert agreement(tmp_path / "a", answer(OPENING), answer(("doc-h", "opened in 1912"))) == [1.0]


def test_two_abstentions_agree_and_one_does_not(tmp_path: Path) -> None:
    assert agreement(tmp_path / "a", abstention(), abstention()) == [1.0]
    assert agreement(tmp_path / "b", abstention(), answer(OPENING)) == [0.0]


def test_a_case_that_could_not_be_run_agrees_with_nothing(tmp_path: Path) -> None:
    one, other = asked(tmp_path / "a", answer(OPENING), answer(OPENING))
    assert consistency([replace(one, answer=None, failure=Failure("Error", "broke")), other]) == [0.0]


def test_it_is_a_measure_of_the_run(tmp_path: Path) -> None:
    found = summarise_measures(asked(tmp_path / "a", answer(OPENING), answer(SHIPS)))["consistency"]
    assert (found.value, found.n) == (0.0, 1)
    alone = asked(tmp_path / "b", answer(OPENING), answer(SHIPS))[:1]
    assert summarise_measures(alone)["consistency"].value is None


@pytest.mark.parametrize("same_as", ["since", "nowhere"])
def test_a_case_is_the_same_as_another_of_the_suite(tmp_path: Path, same_as: str) -> None:
    wrong: dict[str, Any] = {**SINCE, "same_as": same_as}
    with pytest.raises(SuiteError, match="'same_as' must name another case"):
        suite(tmp_path / "a", [OPENED, wrong])
