from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.cases import load_suite
from eval.errors import SuiteError
from eval.types import Gate
from rag.types import Turn
from tests.eval.story import OPENED, OWNER, write_suite

SUITES = Path(__file__).parents[2] / "eval" / "suites"


def test_a_case_is_read_field_by_field(tmp_path: Path) -> None:
    case = {
        "id": "pilots",
        "question": "and where do they live?",
        "messages": [{"role": "user", "content": "Are there pilots?"}],
        "answerable": True,
        "answers_all": ["Odde", ["live", "dwell"]],
        "evidence": [
            {"source": "harbour.txt", "quote": "The pilots", "group": 1},
            {"source": "harbour.txt", "quote": "live in Odde", "group": "where"},
        ],
    }
    suite = load_suite(write_suite(tmp_path / "port", [case], {"citation_exact": ">= 1.0"}), tmp_path)
    (read,) = suite.cases
    assert read.messages == (Turn("user", "Are there pilots?"),)
    assert read.answers_all == (("Odde",), ("live", "dwell"))
    assert [evidence.group for evidence in read.evidence] == ["1", "where"]
    assert (suite.name, suite.source) == ("port", "docs")
    assert suite.gates == (Gate("citation_exact", ">=", 1.0),)


def test_a_suite_is_found_by_name_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(tmp_path / "suites" / "port", [OPENED])
    (tmp_path / "port").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_suite("port", Path("suites")).path == Path("suites/port")
    assert load_suite("suites/port/suite.toml", Path("elsewhere")).path == Path("suites/port")
    with pytest.raises(SuiteError, match="Suites there are: port"):
        load_suite("prot", Path("suites"))


def test_the_hash_changes_with_a_case_and_with_a_gate(tmp_path: Path) -> None:
    hashes = {
        load_suite(write_suite(tmp_path / "a", [OPENED]), tmp_path).sha256,
        load_suite(write_suite(tmp_path / "b", [OPENED, OWNER]), tmp_path).sha256,
        load_suite(write_suite(tmp_path / "c", [OPENED], {"rr": "> 0"}), tmp_path).sha256,
    }
    assert len(hashes) == 3


BAD_CASES: list[tuple[str, dict[str, Any], str]] = [
    ("unknown key", {**OPENED, "anwsers": []}, "unknown key 'anwsers'"),
    ("missing field", {"id": "opened", "question": "?"}, "must have 'answerable'"),
    ("not a boolean", {**OPENED, "answerable": "yes"}, "'answerable' must be true or false"),
    ("empty question", {**OPENED, "question": " "}, "'question' must be a text"),
    ("empty answer", {**OPENED, "answers": [""]}, "an answer must be a text"),
    ("empty part", {**OPENED, "answers_all": [[]]}, "a part of 'answers_all'"),
    ("list wanted", {**OPENED, "tags": "numeric"}, "'tags' must be a list"),
    ("evidence key", {**OPENED, "evidence": [{"source": "a", "quote": "b", "page": 1}]}, "unknown key 'page'"),
    ("evidence start", {**OPENED, "evidence": [{"source": "a", "quote": "b", "start": -1}]}, "number of characters"),
    ("evidence source", {**OPENED, "evidence": [{"quote": "b"}]}, "must have 'source'"),
    (
        "half grouped",
        {**OPENED, "evidence": [{"source": "a", "quote": "b", "group": 1}, {"source": "a", "quote": "c"}]},
        "names its group or none does",
    ),
    ("role", {**OPENED, "messages": [{"role": "robot", "content": "hi"}]}, "the role of a message"),
    ("nothing to judge by", {"id": "opened", "question": "?", "answerable": True}, "has no answers"),
    ("contradiction", {**OPENED, "answerable": False}, "yet it has answers, evidence"),
]


@pytest.mark.parametrize(("case", "what"), [bad[1:] for bad in BAD_CASES], ids=[bad[0] for bad in BAD_CASES])
def test_a_wrong_case_is_refused_by_line_and_id(tmp_path: Path, case: dict[str, Any], what: str) -> None:
    write_suite(tmp_path / "port", [OWNER, case])
    with pytest.raises(SuiteError) as error:
        load_suite("port", tmp_path)
    (problem,) = error.value.problems
    assert "cases.jsonl, line 2, case 'opened'" in problem
    assert what in problem


def test_duplicate_ids_and_bad_json_are_reported_together(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "port", [OPENED, OPENED])
    with (folder / "cases.jsonl").open("a") as file:
        file.write('{"id": "x",\n{"id": "y", "id": "z"}\n[]\n')
    with pytest.raises(SuiteError) as error:
        load_suite("port", tmp_path)
    duplicate, cut, twice, array = error.value.problems
    assert "line 2, case 'opened': the id is already used on line 1" in duplicate
    assert "line 3: not JSON" in cut
    assert "line 4: the key 'id' stands twice" in twice
    assert "line 5: a case is a JSON object" in array
    assert "line 5" in str(error.value)


def test_a_line_separator_within_a_question_does_not_end_the_line(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "port", [OWNER])
    (folder / "cases.jsonl").write_text('{"id": "a", "question": "one\u2028two", "answerable": false}\n', "utf-8")
    assert load_suite("port", tmp_path).cases[0].question == "one\u2028two"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ('name = "port"', "'source' must be"),
        ('name = "port"\nsource = "docs"\nowner = "me"', "unknown key 'owner'"),
        ('name = "port"\nsource = "docs"\ngates = 3', "'gates' must be a table"),
        ("name = ", "is not TOML"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: str, what: str) -> None:
    folder = write_suite(tmp_path / "port", [OWNER])
    (folder / "suite.toml").write_text(settings)
    with pytest.raises(SuiteError, match=what):
        load_suite("port", tmp_path)


def test_missing_empty_and_undecodable_cases_are_refused(tmp_path: Path) -> None:
    cases = write_suite(tmp_path / "port", [OWNER]) / "cases.jsonl"
    cases.write_text("\n")
    with pytest.raises(SuiteError, match="no cases"):
        load_suite("port", tmp_path)
    cases.write_bytes(b"{}\n\xff")
    with pytest.raises(SuiteError, match="line 2: not UTF-8"):
        load_suite("port", tmp_path)
    cases.unlink()
    with pytest.raises(SuiteError, match="cannot be read"):
        load_suite("port", tmp_path)


def test_the_suite_of_the_seeds_loads() -> None:
    suite = load_suite("seeds", SUITES)
    assert len(suite.cases) >= 90
    assert any(not case.answerable for case in suite.cases)
    assert {gate.measure for gate in suite.gates} >= {"citation_exact", "answer_correct"}
