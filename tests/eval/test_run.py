from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.errors import SuiteError
from eval.evidence import resolve
from eval.records import read_records
from eval.run import K, ask_cases, run_suite
from eval.types import Record
from index.errors import FootnoteError
from rag.types import Answer, Question, Turn
from tests.eval.story import CRANES, HARBOUR, OPENED, OWNER, TEXTS, abstention, answer, passage, suite

CONTEXT = {"generation": "000001", "settings_hash": "s1", "model_fingerprint": "m1"}
ALL = [passage("doc-h", HARBOUR)]
PERFECT = {
    "When did the harbour open?": answer(("doc-h", "The harbour opened in 1912."), passages=ALL),
    "How many cranes are there?": answer(("doc-h", "It has 12 cranes."), passages=ALL),
    "Who owns the harbour?": abstention(),
}


class Asker:
    """Answers from a table and remembers what it was asked; an exception in the table is raised."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        found = self.answers[question.text]
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, Answer)
        return found


def ticking(step_s: float) -> Callable[[], float]:
    """A clock on which every call to it takes ``step_s``."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step_s
        return now

    return clock


def test_a_perfect_run(tmp_path: Path) -> None:
    port = suite(tmp_path / "port", [OPENED, CRANES, OWNER], {"answer_correct": ">= 1", "abstention_recall": "== 1"})
    ask = Asker(PERFECT)
    summary = run_suite(port, ask=ask, texts=TEXTS, context=CONTEXT, clock=ticking(0.02))
    assert summary.passed
    assert (summary.cases, summary.cases_passed, summary.failures) == (3, 3, ())
    assert summary.measures["answer_correct"].value == 1.0
    assert summary.measures["answer_correct"].n == 2
    assert summary.measures["abstention_recall"].n == 1
    assert summary.measures["latency_p95_ms"].value == pytest.approx(20.0)
    assert (summary.generation, summary.settings_hash, summary.model_fingerprint) == ("000001", "s1", "m1")
    assert [question.k for question in ask.asked] == [K] * 3


def test_the_conversation_is_asked_with_the_question(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Tell me of the harbour."}]
    ask = Asker(PERFECT)
    run_suite(suite(tmp_path / "port", [{**OWNER, "messages": turns}]), ask=ask, texts=TEXTS, context=CONTEXT)
    assert ask.asked == [Question("Who owns the harbour?", (Turn("user", "Tell me of the harbour."),), k=10)]


@pytest.mark.parametrize("error", [FootnoteError("The index is busy."), ZeroDivisionError("The index is busy.")])
def test_a_case_that_crashes_is_counted_and_listed_and_the_next_is_asked(tmp_path: Path, error: Exception) -> None:
    port = suite(tmp_path / "port", [OPENED, CRANES, OWNER], {"answer_correct": ">= 0.9"})
    ask = Asker({**PERFECT, "When did the harbour open?": error})
    summary = run_suite(port, ask=ask, texts=TEXTS, context=CONTEXT, out=tmp_path / "out")
    (failure,) = summary.failures
    assert (failure.id, failure.type, failure.message) == ("opened", type(error).__name__, "The index is busy.")
    assert summary.measures["answer_correct"].value == 0.5
    assert summary.measures["answer_correct"].n == 2
    assert summary.measures["failed"].value == pytest.approx(1 / 3)
    (gate,) = summary.gates
    assert not summary.passed
    assert gate.reason == "answer_correct is 0.5 over 2 cases, not >= 0.9"
    first = read_records(tmp_path / "out" / "records.jsonl")[0]
    assert first.answer is None
    assert first.notes == {"failed": f"could not be run: {type(error).__name__}: The index is busy."}


def test_means_by_tag(tmp_path: Path) -> None:
    wrong = answer(("doc-h", "The pilots live in Odde."), passages=ALL)
    ask = Asker({**PERFECT, "How many cranes are there?": wrong})
    summary = run_suite(suite(tmp_path / "p", [OPENED, CRANES, OWNER]), ask=ask, texts=TEXTS, context=CONTEXT)
    tables = {table.tag: table for table in summary.tags}
    assert list(tables) == ["numeric", "plain", "unanswerable"]
    assert tables["numeric"].measures["answer_correct"].value == 0.5
    assert tables["plain"].measures["answer_correct"].value == 0.0
    assert tables["unanswerable"].measures["answer_correct"].value is None
    assert (tables["numeric"].cases, tables["numeric"].passed) == (2, 1)


def test_why_a_case_is_wrong_is_noted(tmp_path: Path) -> None:
    wrong = answer(("doc-h", "The pilots live in Odde."), passages=[passage("doc-h", "The pilots live in Odde.")])
    ask = Asker(
        {
            "When did the harbour open?": abstention(),
            "How many cranes are there?": wrong,
            "Who owns the harbour?": wrong,
        }
    )
    resolved = resolve(suite(tmp_path / "port", [OPENED, CRANES, OWNER]), TEXTS)
    opened, cranes, owner = ask_cases(resolved, ask=ask, context=CONTEXT)
    assert opened.notes["abstention_precision"].startswith("abstained (weak_evidence)")
    assert cranes.notes["answer_correct"] == "the answer does not contain “12”"
    assert cranes.notes["citation_precision"] == "no evidence where footnote 1 points"
    assert cranes.notes["citation_recall"] == "not cited: “It has 12 cranes.” (harbour.txt)"
    assert cranes.notes["recall_at_5"].startswith("not in the first five passages")
    assert owner.notes == {"abstention_recall": "answered where the documents say nothing"}
    assert not any(record.passed for record in (opened, cranes, owner))


def test_a_perfect_answer_has_no_notes(tmp_path: Path) -> None:
    records = ask_cases(resolve(suite(tmp_path / "p", [OPENED, OWNER]), TEXTS), ask=Asker(PERFECT), context=CONTEXT)
    assert [record.notes for record in records] == [{}, {}]


def test_whatever_decides_a_case_has_a_note_when_it_fails(tmp_path: Path) -> None:
    for reply in (abstention(), answer(("doc-h", "The pilots live in Odde.")), *PERFECT.values()):
        resolved = resolve(suite(tmp_path / "port", [OPENED, CRANES, OWNER]), TEXTS)
        for record in ask_cases(resolved, ask=lambda question: reply, context={}):  # noqa: B023 - used at once
            assert record.passed or record.notes


def test_an_answer_from_another_generation_is_a_failed_case(tmp_path: Path) -> None:
    later = answer(("doc-h", "The harbour opened in 1912."), generation="000002")
    ask = Asker({"When did the harbour open?": later})
    summary = run_suite(suite(tmp_path / "port", [OPENED]), ask=ask, texts=TEXTS, context=CONTEXT)
    assert summary.failures[0].type == "GenerationChanged"
    assert summary.measures["answer_correct"].value == 0.0


def test_evidence_that_is_not_there_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    ask = Asker(PERFECT)
    with pytest.raises(SuiteError, match="cranes"):
        run_suite(
            suite(tmp_path / "port", [CRANES]),
            ask=ask,
            texts={"harbour.txt": ("doc-h", "It has 13 cranes.")},
            context=CONTEXT,
            out=tmp_path / "out",
        )
    assert ask.asked == []
    assert not (tmp_path / "out").exists()


def test_progress_is_told_case_by_case(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []

    def on_progress(done: int, total: int, record: Record) -> None:
        told.append((done, total, record.case.id))

    port = suite(tmp_path / "port", [OPENED, OWNER])
    run_suite(port, ask=Asker(PERFECT), texts=TEXTS, context=CONTEXT, on_progress=on_progress)
    assert told == [(1, 2, "opened"), (2, 2, "owner")]


class Interrupted:
    """A run of three cases that the user stops at the third."""

    def __init__(self, tmp_path: Path) -> None:
        self.suite = suite(tmp_path / "port", [OPENED, CRANES, OWNER])
        self.out = tmp_path / "out"
        with pytest.raises(KeyboardInterrupt):
            self.run(Asker({**PERFECT, "Who owns the harbour?": KeyboardInterrupt()}))

    def run(self, ask: Asker, **context: str) -> tuple[str, ...]:
        """Runs again and returns the questions that were asked."""
        run_suite(self.suite, ask=ask, texts=TEXTS, context=CONTEXT | context, out=self.out)
        return tuple(question.text for question in ask.asked)

    @property
    def recorded(self) -> list[str]:
        return [json.loads(line)["id"] for line in (self.out / "records.jsonl").read_text().splitlines()]


def test_an_interrupted_run_is_continued_where_it_stopped(tmp_path: Path) -> None:
    run = Interrupted(tmp_path)
    assert run.recorded == ["opened", "cranes"]
    assert run.run(Asker(PERFECT)) == ("Who owns the harbour?",)
    assert run.recorded == ["opened", "cranes", "owner"]
    summary = json.loads((run.out / "summary.json").read_text())
    assert (summary["cases"], summary["cases_passed"]) == (3, 3)


def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    run = Interrupted(tmp_path)
    path = run.out / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert run.run(Asker(PERFECT)) == ("How many cranes are there?", "Who owns the harbour?")
    assert run.recorded == ["opened", "cranes", "owner"]


@pytest.mark.parametrize("changed", [{"settings_hash": "s2"}, {"model_fingerprint": "m2"}, {"commit": "abc"}])
def test_another_context_starts_over(tmp_path: Path, changed: dict[str, str]) -> None:
    assert len(Interrupted(tmp_path).run(Asker(PERFECT), **changed)) == 3


def test_another_suite_starts_over(tmp_path: Path) -> None:
    run = Interrupted(tmp_path)
    run.suite = suite(tmp_path / "port", [OPENED, CRANES, OWNER], {"rr": ">= 0"})
    assert len(run.run(Asker(PERFECT))) == 3


def test_a_file_that_is_not_ours_is_replaced(tmp_path: Path) -> None:
    run = Interrupted(tmp_path)
    path = run.out / "records.jsonl"
    path.write_text("notes\n" + path.read_text())
    assert len(run.run(Asker(PERFECT))) == 3
    assert run.recorded == ["opened", "cranes", "owner"]


def test_a_finished_run_is_asked_again(tmp_path: Path) -> None:
    run = Interrupted(tmp_path)
    run.run(Asker(PERFECT))
    assert len(run.run(Asker(PERFECT))) == 3
    assert run.recorded == ["opened", "cranes", "owner"]


def test_no_report_of_an_earlier_run_stays_beside_new_records(tmp_path: Path) -> None:
    run = Interrupted(tmp_path)
    run.run(Asker(PERFECT))
    with pytest.raises(KeyboardInterrupt):
        run.run(Asker({**PERFECT, "How many cranes are there?": KeyboardInterrupt()}))
    assert sorted(path.name for path in run.out.iterdir()) == ["records.jsonl"]
