from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from eval.evidence import resolve
from eval.measures import MEASURES
from eval.page import report_html
from eval.report import REPORTS, write_reports
from eval.run import ask_cases, run_case
from eval.summary import summarise
from rag.types import Answer, Question
from rag.verify import Judgement
from tests.eval.story import CRANES, OPENED, OWNER, TEXTS, abstention, answer, citation, suite

EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Reads a page: its tags and attributes, and whether every tag that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run in which one case is right, one is evil and wrong, and one crashes; its gate fails."""
    cranes = {**CRANES, "question": f"How many {EVIL}?", "id": f'cranes" onclick="x {EVIL}', "tags": [EVIL]}
    evil = answer(("doc-h", "The pilots live in Odde."))
    evil = replace(
        evil,
        text=f"{EVIL} \x00 {evil.text}",
        citations=(citation(1, "doc-h", "The pilots live in Odde.", cited_text=EVIL, source=EVIL, answer_end=8),),
    )

    def ask(question: Question) -> Answer:
        if question.text.startswith("Who"):
            raise RuntimeError(f"broke on {EVIL}")
        return evil if EVIL in question.text else answer(("doc-h", "The harbour opened in 1912."))

    port = suite(tmp_path / "port", [OPENED, cranes, OWNER], {"answer_correct": ">= 0.9", "citation_exact": ">= 0.1"})
    records = ask_cases(resolve(port, TEXTS), ask=ask, context={})
    summary = summarise(port, records, {"generation": EVIL, "extra": "e"}, "2025-01-01T00:00:00+00:00")
    assert write_reports(summary, records, tmp_path / "out") == tuple(tmp_path / "out" / name for name in REPORTS)
    return tmp_path / "out"


def test_the_page_escapes_what_documents_and_questions_say(out: Path) -> None:
    page = Page((out / "report.html").read_text("utf-8"))
    assert page.open == []
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(EVIL) >= 6  # question, id, tag, answer, cited text, source, error, generation: as text


def test_the_page_needs_nothing_else(out: Path) -> None:
    page = Page((out / "report.html").read_text("utf-8"))
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert not [
        value for name, value in page.attributes if name == "src" or (name == "href" and value and value[0] != "#")
    ]
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_the_page_says_the_verdict_first_and_the_worst_case_before_the_right_one(out: Path) -> None:
    text = Page((out / "report.html").read_text("utf-8")).text
    verdict = "Failed: 1 of 2 gates hold; 1 of 3 cases passed, 1 could not be run."
    crash, wrong, right = "Who owns the harbour?", "How many <script>", "When did the harbour open?"
    body = text[text.index("Cases, worst first") :]
    assert text.index(verdict) < text.index("Measures")
    assert body.index(crash) < body.index(wrong) < body.index(right)
    assert "answer_correct is 0.5 over 2 cases, not >= 0.9" in text
    assert "the answer does not contain “12”" in body


def test_a_footnote_number_stands_where_the_footnoted_part_ends(tmp_path: Path) -> None:
    reply = answer(("doc-h", "It has 12 cranes."), ("doc-h", "The pilots live in Odde."))
    port = suite(tmp_path / "port", [CRANES])
    records = ask_cases(resolve(port, TEXTS), ask=lambda question: reply, context={})
    write_reports(summarise(port, records, {}, ""), records, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "It has 12 cranes.<sup>1</sup> The pilots live in Odde.<sup>2</sup></p>" in page
    assert "<q>The pilots live in Odde.</q><cite>harbour.txt, 81–105</cite>" in page


def test_an_abstention_is_shown_with_its_reason(tmp_path: Path) -> None:
    port = suite(tmp_path / "port", [OWNER])
    records = ask_cases(resolve(port, TEXTS), ask=lambda question: abstention(), context={})
    write_reports(summarise(port, records, {}, ""), records, tmp_path)
    assert "Abstained: weak_evidence." in (tmp_path / "report.html").read_text("utf-8")


def test_junit_has_a_test_a_case_and_a_gate(out: Path) -> None:
    root = ElementTree.parse(out / "junit.xml").getroot()
    cases, gates = root.findall("testsuite")
    opened, cranes, owner = cases.findall("testcase")
    assert [cases.get(key) for key in ("tests", "failures", "errors")] == ["3", "1", "1"]
    assert len(opened) == 0
    failure, error = cranes.find("failure"), owner.find("error")
    assert failure is not None
    assert error is not None
    assert "answer_correct: the answer does not contain “12”" in (failure.get("message") or "")
    assert error.get("type") == "RuntimeError"
    correct, exact = gates.findall("testcase")
    reason = correct.find("failure")
    assert reason is not None
    assert reason.get("message") == "answer_correct is 0.5 over 2 cases, not >= 0.9"
    assert exact.get("name") == "citation_exact >= 0.1"
    assert len(exact) == 0


def test_the_summary_is_the_same_file_for_the_same_run(out: Path, tmp_path: Path) -> None:
    text = (out / "summary.json").read_text("utf-8")
    summary = json.loads(text)
    assert list(summary["measures"]) == list(MEASURES)
    assert summary["passed"] is False
    assert summary["failures"] == [
        {"id": "owner", "type": "RuntimeError", "message": f"broke on {EVIL}"},
    ]
    assert summary["measures"]["answer_correct"] | {"low": 0, "high": 0} == {"value": 0.5, "low": 0, "high": 0, "n": 2}
    assert json.dumps(summary, ensure_ascii=False, indent=2) + "\n" == text


def test_no_part_of_a_file_is_left_behind(out: Path) -> None:
    assert sorted(path.name for path in out.iterdir()) == sorted(REPORTS)


def marked_in(folder: Path, given: Answer) -> list[str]:
    """What the report marks of an answer about cranes."""
    resolved = resolve(suite(folder, [CRANES]), TEXTS)
    record = run_case(resolved.cases[0], ask=lambda _: given, corpus=resolved.corpus, checker=Words())
    page = report_html(summarise(resolved.suite, [record], {}, "2026-01-01T00:00:00+00:00"), (record,))
    return re.findall("<mark>(.*?)</mark>", page)


class Words:
    """Names the words of a sentence that its footnote lacks; a sentence without any word of it, as a whole."""

    fingerprint = "words"

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        words, held = re.findall(r"\w+", sentence), set(re.findall(r"\w+", " ".join(evidence)))
        missing = tuple(word for word in words if word not in held)
        if not missing:
            return Judgement("supported", 1.0, "every word is there")
        return Judgement("unsupported", 0.0, "words are missing", missing if len(missing) < len(words) else ())


def rewritten(text: str) -> Answer:
    """An answer of one sentence that says ``text`` and cites the sentence on cranes."""
    given = answer(("doc-h", "It has 12 cranes."))
    (sentence,), (note,) = given.sentences, given.citations
    return replace(
        given,
        text=text,
        sentences=(replace(sentence, text=text, end=len(text)),),
        citations=(replace(note, answer_end=len(text)),),
    )


def test_words_that_no_footnote_bears_out_are_marked(tmp_path: Path) -> None:
    assert marked_in(tmp_path / "a", rewritten("It has 14 cranes and 14 <b>bells</b>.")) == [
        "14", "and", "14", "b", "bells", "b"
    ]  # fmt: skip
    assert marked_in(tmp_path / "b", rewritten("It has 12 cranes.")) == []


def test_a_sentence_that_nothing_bears_out_is_marked_whole(tmp_path: Path) -> None:
    assert marked_in(tmp_path / "a", rewritten("Pilots sleep.")) == ["Pilots sleep."]
