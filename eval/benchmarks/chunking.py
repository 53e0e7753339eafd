"""chunking_evaluation (https://research.trychroma.com/evaluating-chunking): questions and exact character spans."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from eval.benchmarks.types import Benchmark, Values
from eval.types import Case, Corpus, Evidence, EvidenceSpan, ResolvedCase
from rag.types import Answer

_CORPORA = ("chatlogs", "finance", "pubmed", "state_of_the_union", "wikitexts")
_QUICK = ("chatlogs", "state_of_the_union", "wikitexts")
_PASSAGES = 5


def load(data: Path, quick: bool) -> Benchmark:
    """Five texts as they are. ``quick``: the three short ones."""
    folder = data / "chunking_eval"
    names = _QUICK if quick else _CORPORA
    texts = {name: (folder / f"{name}.md").read_text("utf-8") for name in names}
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["corpus_id"] in texts]
    cases = [
        Case(f"chunking-{i}", row["question"], True, evidence=tuple(_evidence(row, texts[row["corpus_id"]])))
        for i, row in enumerate(rows)
    ]
    # They are plain text, whatever their names say: a mark of Markdown in them would shift the spans.
    return Benchmark(
        "chunking",
        {f"{name}.txt": text for name, text in texts.items()},
        tuple(cases),
        measure,
        quoting=() if quick else (5, 10),
        measure_quoted=measure_quoted,
    )


def _evidence(row: dict[str, str], text: str) -> Iterable[Evidence]:
    for number, reference in enumerate(json.loads(row["references"])):
        start, end = int(reference["start_index"]), int(reference["end_index"])
        start += len(text[start:end]) - len(text[start:end].lstrip())
        yield Evidence(f"{row['corpus_id']}.txt", text[start:end].strip(), str(number), start)


def measure(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> Values:
    """Of characters: the share of the gold ones in the first five passages and in the quotations, and intersection
    over union of gold and passages, gold and quotations."""
    passages = [(found.document_id, found.start_char, found.end_char) for found in answer.passages[:_PASSAGES]]
    recall, iou = shares(resolved.evidence, passages, corpus)
    quoted_recall, quoted_iou = shares(resolved.evidence, _quoted(answer), corpus)
    return {
        "recall_in_5_passages": recall,
        "iou_of_5_passages": iou,
        "recall_in_quoted_sentences": quoted_recall,
        "iou_of_quoted_sentences": quoted_iou,
        "sentences_quoted": float(len(answer.citations)),
    }


def measure_quoted(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> Values:
    """Recall of gold characters, and intersection over union with them, of what is quoted."""
    recall, iou = shares(resolved.evidence, _quoted(answer), corpus)
    return {"recall_in_sentences": recall, "iou_of_sentences": iou}


def _quoted(answer: Answer) -> list[tuple[str, int, int]]:
    return [(found.document_id, found.start_char, found.end_char) for found in answer.citations]


def shares(gold: Iterable[EvidenceSpan], found: Iterable[tuple[str, int, int]], corpus: Corpus) -> tuple[float, float]:
    """(recall, intersection over union) of two sets of characters; white space does not count."""
    wanted = _characters(((span.document_id, span.start, span.end) for span in gold), corpus)
    got = _characters(found, corpus)
    return len(wanted & got) / len(wanted), len(wanted & got) / len(wanted | got)


def _characters(spans: Iterable[tuple[str, int, int]], corpus: Corpus) -> set[tuple[str, int]]:
    return {
        (document, at)
        for document, start, end in spans
        for at in range(start, end)
        if not corpus.texts[document][at].isspace()
    }
