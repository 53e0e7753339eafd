"""Two documents, and answers made by hand over them. Spans are given by what they say, so that tests are stories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from eval.cases import load_suite
from eval.evidence import make_corpus, resolve
from eval.types import ResolvedCase, Suite
from rag.types import Answer, AnswerSentence, Citation, Reason, RetrievedPassage

HARBOUR = "The harbour opened in 1912. It has 12 cranes. About 13,000 ships call each year. The pilots live in Odde."
MUSEUM = "The museum stands by the harbour.\nTickets cost nothing on Mondays. The harbour opened in 1912, it says."

TEXTS = {"harbour.txt": ("doc-h", HARBOUR), "museum.txt": ("doc-m", MUSEUM)}
CORPUS = make_corpus(TEXTS)


def place(document_id: str, quote: str) -> tuple[int, int]:
    text = CORPUS.texts[document_id]
    assert text.count(quote) == 1, quote
    start = text.index(quote)
    return start, start + len(quote)


def citation(n: int, document_id: str, quote: str, /, **changes: Any) -> Citation:
    start, end = place(document_id, quote)
    values: dict[str, Any] = {
        "n": n,
        "answer_start": 0,
        "answer_end": 0,
        "document_id": document_id,
        "source": {"doc-h": "harbour.txt", "doc-m": "museum.txt"}[document_id],
        "title": "",
        "source_sha256": "",
        "text_sha256": sha256(CORPUS.texts[document_id].encode()).hexdigest(),
        "passage_id": "p",
        "start_char": start,
        "end_char": end,
        "page": None,
        "heading_path": (),
        "slide": None,
        "sheet": None,
        "row": None,
        "chapter": None,
        "cited_text": quote,
        "verified": True,
        "support": 1.0,
        "source_changed": False,
        "url": "",
    }
    return Citation(**(values | changes))


def passage(document_id: str, quote: str) -> RetrievedPassage:
    start, end = place(document_id, quote)
    return RetrievedPassage(f"p{start}", document_id, "", start, end, quote, 1.0, "", None, ())


def answer(*quotes: tuple[str, str], passages: Sequence[RetrievedPassage] = (), generation: str = "000001") -> Answer:
    """An extractive answer that quotes each (document_id, quote), one sentence and one footnote each."""
    sentences: list[AnswerSentence] = []
    citations: list[Citation] = []
    at = 0
    for n, (document_id, quote) in enumerate(quotes, start=1):
        sentences.append(AnswerSentence(quote, at, at + len(quote), (n,), 1.0, "supported"))
        citations.append(citation(n, document_id, quote, answer_start=at, answer_end=at + len(quote)))
        at += len(quote) + 1
    return Answer(
        answer_id="a",
        generation=generation,
        question="",
        standalone_question="",
        mode="extractive",
        text=" ".join(quote for _, quote in quotes),
        abstained=False,
        reason="",
        confidence=0.9,
        min_confidence=0.35,
        sentences=tuple(sentences),
        citations=tuple(citations),
        passages=tuple(passages),
        removed_citations=0,
        timings_ms={"total": 1.0},
    )


def abstention(reason: Reason = "weak_evidence", passages: Sequence[RetrievedPassage] = ()) -> Answer:
    return Answer(
        "a", "000001", "", "", "extractive", "", True, reason, 0.1, 0.35, (), (), tuple(passages), 0, {"total": 1.0}
    )


def write_suite(folder: Path, cases: Sequence[Mapping[str, Any]], gates: Mapping[str, str] | None = None) -> Path:
    """A suite on disk, called ``port``; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(measure)} = {json.dumps(condition)}" for measure, condition in (gates or {}).items()]
    (folder / "suite.toml").write_text('name = "port"\nsource = "docs"\n[gates]\n' + "\n".join(lines))
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    return folder


def suite(folder: Path, cases: Sequence[Mapping[str, Any]], gates: Mapping[str, str] | None = None) -> Suite:
    return load_suite(write_suite(folder, cases, gates), folder.parent)


def resolved_case(folder: Path, **case: Any) -> ResolvedCase:
    found = resolve(suite(folder, [{"id": "c", "question": "?", "answerable": True, **case}]), TEXTS)
    return found.cases[0]


OPENED = {
    "id": "opened",
    "question": "When did the harbour open?",
    "answerable": True,
    "answers": ["1912"],
    "evidence": [{"source": "harbour.txt", "quote": "The harbour opened in 1912."}],
    "tags": ["numeric"],
}
CRANES = {
    "id": "cranes",
    "question": "How many cranes are there?",
    "answerable": True,
    "answers": ["12"],
    "evidence": [{"source": "harbour.txt", "quote": "It has 12 cranes."}],
    "tags": ["numeric", "plain"],
}
OWNER = {"id": "owner", "question": "Who owns the harbour?", "answerable": False, "tags": ["unanswerable"]}
