"""A threshold fitted to the folder: where it comes from, where it holds, and where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.doctor import Finding, _calibration
from api.making import calibrate, make_cases, write_suite
from eval.calibrate import MIN_CASES, read_calibration, write_calibration
from eval.cases import load_suite
from eval.errors import SuiteError
from eval.evidence import resolve
from rag.answer import final
from rag.types import Answer, Question
from tests.api.conftest import Connect
from tests.api.towns import TOWNS, suite_about
from tests.conftest import World


def asked(world: World, **options: Any) -> Answer:
    return final(world.footnote.ask(Question("How many bells has the tower of Lund?", **options)))


def test_a_suite_sets_the_threshold_that_answers_state(towns: World, connect: Connect, tmp_path: Path) -> None:
    client = connect(towns.footnote)
    assert client.get("/v1/index").json()["calibration"] is None
    before = asked(towns).min_confidence
    found = calibrate(towns.footnote, suite_about(towns, tmp_path / "suite"))
    assert (found.made, found.suite, found.generation) == (False, "towns", "000001")
    assert found.abstention_recall.value == found.kept.value == 1.0  # bells and polkas are far apart
    assert (found.abstention_recall.n, found.kept.n) == (len(TOWNS), len(TOWNS))
    assert asked(towns).min_confidence == found.min_confidence != before
    told = client.get("/v1/index").json()
    assert told["min_confidence"] == found.min_confidence == told["calibration"]["min_confidence"]
    assert told["calibration"]["abstention_precision"]["value"] == 1.0
    answer = client.post("/v1/ask", json={"question": "Which queen danced?"}).json()
    assert answer["abstained"] and answer["confidence"] < answer["min_confidence"] == found.min_confidence


def test_without_a_suite_questions_are_made_and_only_half_believed(towns: World) -> None:
    found = calibrate(towns.footnote, "")
    assert found.made and found.suite == ""
    assert found.kept.n >= MIN_CASES and found.abstention_recall.n >= MIN_CASES
    assert read_calibration(towns.footnote.layout.calibration) == found


def test_a_made_suite_runs_as_any_other(towns: World, tmp_path: Path) -> None:
    n = write_suite(towns.footnote, tmp_path / "made", 20)
    suite = load_suite(str(tmp_path / "made"), tmp_path)
    assert len(suite.cases) == n == 20
    assert suite.cases == tuple(make_cases(towns.footnote, 20))
    with towns.footnote.library.pin() as generation:
        texts = {
            one.source: (one.document_id, generation.store.text(one.document_id))
            for one in generation.store.documents()
        }
    assert len(resolve(suite, texts).cases) == n
    left_out = next(case for case in suite.cases if case.without)
    given = final(towns.footnote.ask(Question(left_out.question, without=left_out.without)))
    assert {passage.source for passage in given.passages}.isdisjoint(left_out.without)
    with pytest.raises(SuiteError, match="already"):
        write_suite(towns.footnote, tmp_path / "made", 20)


def test_a_setting_goes_before_a_calibration(towns: World, make_world: Callable[..., World]) -> None:
    calibrate(towns.footnote, "")
    firm = make_world(towns.source, towns.data, min_confidence=0.9)
    assert asked(firm).min_confidence == 0.9
    assert firm.footnote.calibration is None
    assert [finding.state for finding in _calibration(firm.footnote)] == ["note"]


def test_one_made_with_other_models_is_not_used(towns: World) -> None:
    found = calibrate(towns.footnote, "")
    write_calibration(towns.footnote.layout.calibration, replace(found, models="others", min_confidence=0.77))
    assert asked(towns).min_confidence == towns.footnote.settings.min_confidence
    (finding,) = _calibration(towns.footnote)
    assert (finding.state, "other models" in finding.detail) == ("note", True)


def test_a_damaged_one_is_told_of_and_answers_go_on(towns: World, connect: Connect, logs: list[Any]) -> None:
    towns.footnote.layout.calibration.write_text("{")
    assert asked(towns).min_confidence == towns.footnote.settings.min_confidence
    assert any(entry["event"] == "calibration" for entry in logs)
    assert connect(towns.footnote).get("/v1/index").json()["calibration"] is None
    (finding,) = _calibration(towns.footnote)
    assert isinstance(finding, Finding) and finding.state == "failed"


def test_a_suite_with_too_few_questions_is_refused_and_nothing_is_written(towns: World, tmp_path: Path) -> None:
    write_suite(towns.footnote, tmp_path / "few", 6)
    with pytest.raises(SuiteError, match="at least 10"):
        calibrate(towns.footnote, str(tmp_path / "few"))
    assert not towns.footnote.layout.calibration.exists()


# -- what the questions of such suites rest on: documents that are not looked in ---------------------------------------


def test_a_document_left_out_is_not_looked_in(towns: World, connect: Connect) -> None:
    assert asked(towns).citations[0].source == "Lund.txt"
    without = asked(towns, without=("Lund.txt",))
    assert "Lund.txt" not in {passage.source for passage in without.passages}
    both = asked(towns, documents=("Lund.txt", "York.txt"), without=("Lund.txt",))
    assert {passage.source for passage in both.passages} == {"York.txt"}
    told = connect(towns.footnote).post(
        "/v1/ask", json={"question": "Who built it?", "without": list(map("{}.txt".format, TOWNS))}
    )
    assert (told.json()["reason"], told.json()["passages"]) == ("no_evidence", [])


def test_neither_is_a_copy_of_it(towns: World) -> None:
    (towns.source / "copy.txt").write_bytes((towns.source / "Lund.txt").read_bytes())
    towns.build()
    assert not {"Lund.txt", "copy.txt"} & {passage.source for passage in asked(towns, without=("Lund.txt",)).passages}
