"""Whether a new index made answers better: two runs of one suite, over the real index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.evaluating import SUITES, evaluate_generation, evaluate_with
from eval.cases import load_suite
from eval.compare import compare, read_run
from eval.compare_page import comparison_html
from eval.types import Case, Suite
from tests.api.towns import FACTS, TOWNS, suite_about
from tests.conftest import World


@pytest.fixture
def suite(towns: World, tmp_path: Path) -> Suite:
    loaded = load_suite(suite_about(towns, tmp_path / "suite"), SUITES)
    facts = [fact for line in FACTS for fact in line.split(" | ")]
    told = [Case(f"fact-{n}", f"{fact[:-1]}?", True, answers=(fact.split()[-1],)) for n, fact in enumerate(facts)]
    return replace(loaded, cases=(*loaded.cases, *told))


def answerable(suite: Suite) -> Suite:
    return replace(suite, cases=tuple(case for case in suite.cases if case.answerable))


def test_two_runs_of_one_index_changed_nothing(towns: World, suite: Suite, tmp_path: Path) -> None:
    for name in ("one", "other"):
        evaluate_with(towns.footnote, suite, tmp_path / name)
    found = compare(read_run(tmp_path / "one"), read_run(tmp_path / "other"))
    assert (found.verdict, found.changes, found.cases) == ("Nothing changed.", (), len(suite.cases))
    assert {one.change.value for one in found.differences} == {0.0}


def test_half_of_the_documents_removed_is_significantly_worse(towns: World, suite: Suite, tmp_path: Path) -> None:
    evaluate_with(towns.footnote, suite, tmp_path / "whole")
    for town in TOWNS[::2]:
        (towns.source / f"{town}.txt").unlink()
        (towns.source / f"{town}-later.txt").write_text(f"{town}\n\nNothing is known of {town} any more.\n")
    towns.build(confirm_deletions=True)
    # What they said is evidence no more: the questions stay, and must be asked all the same.
    bare = replace(suite, cases=tuple(replace(case, evidence=()) for case in suite.cases))
    evaluate_with(towns.footnote, bare, tmp_path / "half")
    found = compare(read_run(tmp_path / "whole"), read_run(tmp_path / "half"))
    verdicts = {one.measure: one.verdict for one in found.differences}
    assert verdicts["answer_correct"] == verdicts["passed"] == "worse"
    assert "worse in" in found.verdict
    lost = [change for change in found.changes if change.passed_before and not change.passed_after]
    assert {change.id for change in lost} >= {f"bells-{town}" for town in TOWNS[::2]}
    page = comparison_html(found)
    assert "no longer right" in page and found.verdict in page


def test_a_changed_document_is_named_as_the_cause(towns: World, suite: Suite, tmp_path: Path) -> None:
    some = answerable(suite)
    evaluate_with(towns.footnote, some, tmp_path / "before")
    lund = towns.source / "Lund.txt"
    lund.write_text(lund.read_text().replace("The bridge over the gorge", "The wooden bridge over the gorge"))
    towns.build()
    evaluate_with(towns.footnote, some, tmp_path / "after")
    found = compare(read_run(tmp_path / "before"), read_run(tmp_path / "after"))
    (change,) = [change for change in found.changes if change.id == "bells-Lund"]
    assert change.documents_changed
    assert change.passed_before and change.passed_after


def test_two_generations_are_asked_the_same(towns: World, suite: Suite, tmp_path: Path) -> None:
    lund = towns.source / "Lund.txt"
    lund.write_text(lund.read_text().replace("has 30 old bells", "has 99 old bells"))
    towns.build()
    cases = tuple(replace(case, evidence=()) for case in answerable(suite).cases)
    for name in ("000001", "000002"):
        with towns.footnote.library.open_by_name(name) as generation:
            evaluate_generation(towns.footnote, generation, replace(suite, cases=cases), tmp_path / name)
    found = compare(read_run(tmp_path / "000001"), read_run(tmp_path / "000002"))
    assert (found.before.summary.generation, found.after.summary.generation) == ("000001", "000002")
    lost = [change.id for change in found.changes if change.passed_before and not change.passed_after]
    assert lost == ["bells-Lund"]
    assert found.verdict == "No difference that could not be chance."  # one question of many
