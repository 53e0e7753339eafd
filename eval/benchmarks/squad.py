"""SQuAD (https://arxiv.org/abs/1606.05250): questions about 490 Wikipedia articles, the answer a few words of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.benchmarks.files import json_lines, sample
from eval.benchmarks.types import Benchmark, Values
from eval.match import contains
from eval.types import Case, Corpus, Evidence, EvidenceSpan, ResolvedCase
from index.parse.decode import clean
from rag.types import Answer

_ANSWERABLE, _ADVERSARIAL = 2_000, 500
_QUICK = (400, 150)


def load(data: Path, quick: bool) -> Benchmark:
    """Articles as files; answerable questions of version 1.1, and unanswerable ones of 2.0 that look like answerable
    ones. ``quick``: only the articles that version 1.1's questions are about, and fewer questions."""
    folder = data / "squad"
    answerable = [
        _answerable(article["title"], paragraph["context"], question)
        for article in _articles(folder / "dev-1.1.rebuilt.json")
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    adversarial = [
        Case(question["id"], question["question"], False, tags=("adversarial",))
        for article in _articles(folder / "dev-v2.0.rebuilt.json")
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
        if question.get("is_impossible") or not question["answers"]
    ]
    paragraphs: dict[str, list[str]] = {}
    for line in json_lines(folder / "articles_490.jsonl"):
        paragraphs.setdefault(line["title"], []).append(clean(line["text"]))
    if quick:
        asked_about = {article["title"] for article in _articles(folder / "dev-1.1.rebuilt.json")}
        paragraphs = {title: found for title, found in paragraphs.items() if title in asked_about}
    n_answerable, n_adversarial = _QUICK if quick else (_ANSWERABLE, _ADVERSARIAL)
    return Benchmark(
        name="squad",
        documents={_source(title): _page(title, found) for title, found in paragraphs.items()},
        cases=(*sample(answerable, n_answerable), *sample(adversarial, n_adversarial)),
        measure=measure,
        quoting=() if quick else (1, 3),
        measure_quoted=measure_quoted,
    )


def _articles(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["data"]
    return found


def _source(title: str) -> str:
    return f"{title.replace('/', '_')}.txt"


def _page(title: str, paragraphs: list[str]) -> str:
    return "\n\n".join((title.replace("_", " "), *paragraphs)) + "\n"


def _answerable(title: str, paragraph: str, question: dict[str, Any]) -> Case:
    answers = tuple(sorted({answer["text"] for answer in question["answers"]}))
    return Case(
        question["id"],
        question["question"],
        True,
        answers=answers,
        evidence=(Evidence(_source(title), clean(paragraph)),),
    )


def measure(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> Values:
    """Whether the answer stands, within the paragraph the question was asked about, in the first passage, in one of
    ten, in the first sentence shown, and in any quoted."""
    if not resolved.case.answerable:
        return {}
    (gold,) = resolved.evidence
    found = [
        holds(resolved.case, gold, passage.document_id, passage.start_char, passage.end_char, corpus)
        for passage in answer.passages
    ]
    quoted = _quoted(resolved, answer, corpus)
    return {
        "hit_at_1": float(any(found[:1])),
        "recall_at_10": float(any(found[:10])),
        "answer_in_first_sentence": float(any(quoted[:1])),
        "answer_in_quoted_sentences": float(any(quoted)),
        "sentences_quoted": float(len(quoted)),
    }


def measure_quoted(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> Values:
    """Whether the answer stands in a sentence quoted from the paragraph that the question was asked about."""
    return {"answer_in_sentences": float(any(_quoted(resolved, answer, corpus)))}


def _quoted(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> list[bool]:
    (gold,) = resolved.evidence
    return [
        holds(resolved.case, gold, citation.document_id, citation.start_char, citation.end_char, corpus)
        for citation in answer.citations
    ]


def holds(case: Case, gold: EvidenceSpan, document_id: str, start: int, end: int, corpus: Corpus) -> bool:
    """Whether what the span shares with ``gold`` contains one of the answers."""
    if document_id != gold.document_id:
        return False
    shared = corpus.texts[document_id][max(start, gold.start) : min(end, gold.end)]
    return any(contains(shared, answer) for answer in case.answers)
