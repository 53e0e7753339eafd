"""CLAPNQ (https://arxiv.org/abs/2404.02103): questions with one passage each, which answers at length or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.benchmarks.files import json_lines, sample
from eval.benchmarks.types import Benchmark, Values
from eval.evidence import find_quote
from eval.match import rouge_l
from eval.measures import citation_precision, citation_recall, points_at
from eval.types import Case, Corpus, Evidence, ResolvedCase
from index.parse.decode import clean
from rag.types import Answer

_QUICK = 150  # of each kind


def load(data: Path, quick: bool) -> Benchmark:
    """Each question's own passage is a file, and is all that is searched for it. ``quick``: half of the questions."""
    folder = data / "clapnq"
    rows = {
        answerable: json_lines(folder / f"clapnq_dev_{'' if answerable else 'un'}answerable.jsonl")
        for answerable in (True, False)
    }
    if quick:
        rows = {answerable: sample(found, _QUICK) for answerable, found in rows.items()}
    cases = [_case(row, answerable) for answerable, found in rows.items() for row in found]
    documents = {_source(row): _page(row["passages"][0]) for found in rows.values() for row in found}
    return Benchmark("clapnq", documents, tuple(cases), measure)


def _source(row: dict[str, Any]) -> str:
    return f"{row['id']}.txt"


def _page(passage: dict[str, str]) -> str:
    return clean(f"{passage['title']}\n\n{passage['text']}\n")


def _case(row: dict[str, Any], answerable: bool) -> Case:
    if not answerable:
        return Case(row["id"], row["input"], False, documents=(_source(row),))
    page = _page(row["passages"][0])
    quotes = dict.fromkeys(clean(quote) for output in row["output"] for quote in output["selected_sentences"])
    return Case(
        row["id"],
        row["input"],
        True,
        evidence=tuple(Evidence(_source(row), quote) for quote in quotes if len(find_quote(quote, page)) == 1),
        references=tuple(output["answer"] for output in row["output"] if output["answer"]),
        documents=(_source(row),),
    )


def measure(resolved: ResolvedCase, answer: Answer, _: Corpus) -> Values:
    """ROUGE-L F1 of the quotations with the best of the reference answers, whether the first sentence quoted is one
    that was marked, and precision and recall of the quotations against the marked ones."""
    if not resolved.case.answerable:
        return {}
    text = " ".join(citation.cited_text for citation in answer.citations)
    first = any(points_at(citation, span) for citation in answer.citations[:1] for span in resolved.evidence)
    return {
        "rouge_l": max(rouge_l(text, reference) for reference in resolved.case.references),
        "marked_in_first_sentence": float(first),
        "citation_precision": citation_precision(resolved, answer) or 0.0,
        "citation_recall": citation_recall(resolved, answer) or 0.0,
        "sentences_quoted": float(len(answer.citations)),
    }
