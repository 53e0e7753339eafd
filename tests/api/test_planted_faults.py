"""A server that answers wrong in one case, in each of the ways that matter: the run fails and names the case."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from api import cli
from eval.records import read_records
from index.errors import BuildFailed
from rag.types import Answer, Done, Event, Question
from tests.api.conftest import Live
from tests.conftest import World

FERRY = "The ferry of Lund does not sail in winter, says the captain Ada Quist."
TOWER = "The tower of Lund has 30 old bells of bronze."
CASES = [
    {"id": "ferry", "question": "Who says that the ferry of Lund does not sail in winter?", "answerable": True,
     "answers": ["Ada Quist"], "evidence": [{"source": "ferry.txt", "quote": FERRY}]},
    {"id": "tower", "question": "How many bells has the tower of Lund?", "answerable": True,
     "answers": ["30"], "evidence": [{"source": "tower.txt", "quote": TOWER}]},
    {"id": "queen", "question": "Which queen danced a polka on the frozen moon?", "answerable": False},
]  # fmt: skip
GATES = ("answer_correct", "citation_exact", "citation_precision", "citation_recall", "groundedness",
         "abstention_precision", "abstention_recall")  # fmt: skip

Change = Callable[[Answer], Answer]


def reworded(old: str, new: str) -> Change:
    """The answer says something else; its footnotes stay."""

    def change(answer: Answer) -> Answer:
        assert old in answer.text
        sentences = tuple(replace(one, text=one.text.replace(old, new)) for one in answer.sentences)
        moved, at = [], 0
        for one in sentences:
            moved.append(replace(one, start=at, end=at + len(one.text)))
            at += len(one.text) + 1
        return replace(answer, text=answer.text.replace(old, new), sentences=tuple(moved))

    return change


def elsewhere(answer: Answer) -> Answer:
    """The footnote is exact, and of the wrong passage."""
    other = next(passage for passage in answer.passages if passage.source == "ferry.txt")
    wrong = [
        replace(
            citation,
            document_id=other.document_id,
            source=other.source,
            text_sha256="",
            passage_id=other.passage_id,
            start_char=other.start_char,
            end_char=other.end_char,
            cited_text=other.text,
        )
        for citation in answer.citations
    ]
    return replace(answer, citations=tuple(wrong))


def off_by_one(answer: Answer) -> Answer:
    shifted = [replace(one, start_char=one.start_char + 1, end_char=one.end_char + 1) for one in answer.citations]
    return replace(answer, citations=tuple(shifted))


def abstained(answer: Answer) -> Answer:
    return replace(
        answer, text="The documents don't say.", abstained=True, reason="weak_evidence", sentences=(), citations=()
    )


@pytest.fixture
def town(make_world: Callable[..., World], tmp_path: Path) -> World:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "ferry.txt").write_text(f"{FERRY}\n")
    (folder / "tower.txt").write_text(f"{TOWER}\n")
    world = make_world(folder)
    world.build()
    suite = tmp_path / "suite"
    suite.mkdir()
    gates = "".join(f'"{name}" = ">= 1.0"\n' for name in GATES)
    (suite / "suite.toml").write_text(f'name = "town"\nsource = "documents"\n[gates]\n"failed" = "== 0"\n{gates}')
    (suite / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in CASES))
    return world


def tampered(world: World, case_id: str, change: Change) -> None:
    """From now on the answer to one question is changed on its way out."""
    right = world.footnote.ask
    (wanted,) = [case["question"] for case in CASES if case["id"] == case_id]

    def ask(question: Question) -> Iterator[Event]:
        for event in right(question):
            wrong = isinstance(event, Done) and question.text == wanted
            yield Done(change(event.answer)) if wrong and isinstance(event, Done) else event

    world.footnote.ask = ask  # type: ignore[method-assign]


def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of footnote eval run --gate."""
    out, data = str(tmp_path / "out"), str(tmp_path / "other")
    arguments = ["eval", "run", str(tmp_path / "suite"), "--url", url, "--out", out, "--data", data, "--gate", "--json"]
    monkeypatch.setattr(sys, "argv", ["footnote", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_a_server_that_answers_right_passes(
    town: World, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(live(town.footnote), tmp_path, monkeypatch) == 0
    assert all(record.passed for record in read_records(tmp_path / "out" / "records.jsonl"))


def crash(_: Answer) -> Answer:
    raise BuildFailed("planted")


@pytest.mark.parametrize(
    ("case_id", "change", "measure"),
    [
        pytest.param("tower", reworded("30", "31"), "groundedness", id="a number changed"),
        pytest.param("ferry", reworded("Ada Quist", "Olaf Holm"), "groundedness", id="a name swapped"),
        pytest.param("ferry", reworded("does not sail", "does sail"), "groundedness", id="a negation dropped"),
        pytest.param("tower", elsewhere, "citation_precision", id="a citation of the wrong passage"),
        pytest.param("tower", off_by_one, "citation_exact", id="a citation off by one character"),
        pytest.param("tower", abstained, "answer_correct", id="an abstention where it should answer"),
        pytest.param("tower", crash, "failed", id="a case that crashes"),
    ],
)
def test_a_planted_fault_fails_the_run_and_the_report_names_the_case(
    town: World,
    live: Live,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case_id: str,
    change: Change,
    measure: str,
) -> None:
    tampered(town, case_id, change)
    assert run(live(town.footnote), tmp_path, monkeypatch) == 1
    assert_named(tmp_path / "out", case_id, measure)


def test_an_answer_where_it_should_abstain_fails_the_run(
    town: World, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told,) = [event.answer for event in town.footnote.ask(Question(TOWER)) if isinstance(event, Done)]
    assert not told.abstained
    tampered(town, "queen", lambda answer: replace(told, answer_id=answer.answer_id))
    assert run(live(town.footnote), tmp_path, monkeypatch) == 1
    assert_named(tmp_path / "out", "queen", "abstention_recall")


def assert_named(out: Path, case_id: str, measure: str) -> None:
    (record,) = [one for one in read_records(out / "records.jsonl") if one.case.id == case_id]
    assert measure in record.notes
    page = (out / "report.html").read_text("utf-8")
    opened = page.index(f'id="case-{case_id}"')
    assert measure in page[opened : page.index("</details>", opened)]
    failing = [
        case.get("name")
        for case in ElementTree.parse(out / "junit.xml").iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    assert failing
    assert any(case_id in str(name) for name in failing) or any(measure in str(name) for name in failing)
