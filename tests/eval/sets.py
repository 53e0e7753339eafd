"""The public sets in miniature: files of their formats about a harbour."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

OPENING = "The harbour was opened in 1911 by Mayor Ilse Brandt. It cost 4.2 million crowns."
LIGHT = "The lighthouse was added in 1925. Its lamp reaches 21 nautical miles."
FERRY = "The ferry Aurora sails at noon every Tuesday. It carries 80 cars."
TWICE = "Gulls nest here. The pilots live in Odde. Gulls nest here."


def write_sets(folder: Path) -> Path:
    _squad(folder / "squad")
    _chunking(folder / "chunking_eval")
    _clapnq(folder / "clapnq")
    _mtrag(folder / "mtrag")
    return folder


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _squad(folder: Path) -> None:
    _lines(
        folder / "articles_490.jsonl",
        [
            {"title": "Old_harbour", "text": OPENING},
            {"title": "Old_harbour", "text": LIGHT},
            {"title": "Ferry", "text": FERRY},
        ],
    )
    asked = {"id": "s1", "question": "When was the harbour opened?", "answers": [{"text": "1911"}, {"text": "in 1911"}]}
    never = {"id": "s2", "question": "When was the harbour sold?", "answers": [], "is_impossible": True}
    for name, questions in (("dev-1.1", [asked]), ("dev-v2.0", [{**asked, "is_impossible": False}, never])):
        articles = [{"title": "Old_harbour", "paragraphs": [{"context": OPENING, "qas": questions}]}]
        (folder / f"{name}.rebuilt.json").write_text(json.dumps({"data": articles}), "utf-8")


def _chunking(folder: Path) -> None:
    folder.mkdir(parents=True)
    texts = {"chatlogs": TWICE, "finance": OPENING, "pubmed": LIGHT, "state_of_the_union": FERRY, "wikitexts": LIGHT}
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, "utf-8")
    with (folder / "questions_df.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "references", "corpus_id"])
        second = TWICE.rindex(" Gulls")  # a reference may begin with the space before it
        gulls = {"content": TWICE[second:], "start_index": second, "end_index": len(TWICE)}
        rows.writerow(["What nests here?", json.dumps([gulls]), "chatlogs"])
        cost = OPENING.index("It cost")
        rows.writerow(
            ["What did the harbour cost?",
             json.dumps([{"content": OPENING[cost:], "start_index": cost, "end_index": len(OPENING)}]),
             "finance"]
        )  # fmt: skip


def _clapnq(folder: Path) -> None:
    passage = {"title": "Old harbour", "text": OPENING}
    output = [{"answer": "It was opened in 1911 by Ilse Brandt.", "selected_sentences": [OPENING.split(". ")[0] + "."]}]
    _lines(
        folder / "clapnq_dev_answerable.jsonl",
        [{"id": "c1", "input": "who opened the harbour", "passages": [passage], "output": output}],
    )
    _lines(
        folder / "clapnq_dev_unanswerable.jsonl",
        [{"id": "c2", "input": "who paints the lamp", "passages": [{"title": "Light", "text": LIGHT}], "output": []}],
    )


def _mtrag(folder: Path) -> None:
    for domain in ("clapnq", "fiqa"):
        pool = [("1-0-80", "Old harbour", OPENING), ("2-0-60", "", f"\n{LIGHT}"), ("3-0-60", "Ferry", FERRY)]
        _lines(
            folder / f"{domain}.corpus_pooled.jsonl",
            [{"_id": name, "title": title, "text": text} for name, title, text in pool],
        )
        (folder / f"{domain}.qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq<::>2\t2-0-60\t1\n", "utf-8")
        history = "|user|: Who opened the harbour?\n|user|: And when was the lighthouse added?"
        _lines(folder / f"{domain}_questions.jsonl", [{"_id": "q<::>2", "text": history}])
    turns = [(1, "Who opened the harbour?", "ANSWERABLE"), (2, "And when was the lighthouse added?", "ANSWERABLE"),
             (3, "Who paints it?", "UNANSWERABLE"), (4, "Thank you!", "CONVERSATIONAL")]  # fmt: skip
    _lines(
        folder / "tasks.jsonl",
        [
            {"task_id": f"q<::>{turn}", "conversation": "7", "turn": turn, "domain": domain, "question": question,
             "answerability": [kind], "reference_answer": "In 1925."}
            for domain in ("clapnq", "fiqa")
            for turn, question, kind in turns
        ],
    )  # fmt: skip
