"""MTRAG (https://arxiv.org/abs/2501.03468): turns of conversations, with the passages that matter for each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from eval.benchmarks.files import json_lines, sample
from eval.benchmarks.types import Benchmark, Values
from eval.retrieval import measure_documents
from eval.types import Case, Corpus, Evidence, ResolvedCase
from index.parse.decode import clean
from rag.types import Answer, Turn

_PASSAGES = 20  # a long passage of the pool is several of ours, and ten of the pool's are wanted
_QUICK_OTHERS = 600


def load(data: Path, domain: str, quick: bool) -> Benchmark:
    """The pool's passages as files, and every turn with what the user had asked before it. Turns that are small talk
    are left out; a partial answer counts as one. ``quick``: the gold passages and a fixed draw of others."""
    folder = data / "mtrag"
    pool = {row["_id"]: _page(row) for row in json_lines(folder / f"{domain}.corpus_pooled.jsonl")}
    gold = _judgements(folder / f"{domain}.qrels.tsv")
    if quick:
        wanted = {name for names in gold.values() for name in names}
        wanted.update(sample([name for name in pool if name not in wanted], _QUICK_OTHERS))
        pool = {name: page for name, page in pool.items() if name in wanted}
    asked = {row["_id"]: row["text"] for row in json_lines(folder / f"{domain}_questions.jsonl")}
    tasks = [task for task in json_lines(folder / "tasks.jsonl") if task["domain"] == domain]
    earlier: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for task in sorted(tasks, key=lambda task: task["turn"]):
        earlier[task["conversation"]].append(task)
    cases = [
        _case(task, _before(task, asked, earlier[task["conversation"]]), gold.get(task["task_id"], []), pool)
        for task in tasks
        if task["answerability"] != ["CONVERSATIONAL"]
    ]
    return Benchmark(
        name=f"mtrag-{domain}",
        documents={f"{name}.txt": page for name, page in pool.items()},
        cases=tuple(cases),
        measure=measure,
        passages=_PASSAGES,
        pooled="mtrag",
    )


def _page(row: dict[str, str]) -> str:
    return clean(f"{row['title']}\n\n{row['text']}\n").lstrip()


def _judgements(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines()[1:]:
        query, document, relevance = line.split("\t")
        if int(relevance) > 0:
            found[query].append(document)
    return found


def _before(task: dict[str, Any], asked: dict[str, str], conversation: list[dict[str, Any]]) -> tuple[Turn, ...]:
    """The user's earlier questions; of a turn without judgements only those that the tasks hold."""
    if whole := asked.get(task["task_id"]):
        questions = [line.removeprefix("|user|:").strip() for line in whole.split("\n")][:-1]
    else:
        questions = [one["question"] for one in conversation if one["turn"] < task["turn"]]
    return tuple(Turn("user", question) for question in questions if question)


def _case(task: dict[str, Any], before: tuple[Turn, ...], gold: list[str], pool: dict[str, str]) -> Case:
    answerable = task["answerability"] != ["UNANSWERABLE"]
    if not answerable:
        return Case(task["task_id"], task["question"], False, before)
    return Case(
        task["task_id"],
        task["question"],
        True,
        before,
        evidence=tuple(Evidence(f"{name}.txt", pool[name].strip(), name) for name in gold),
        references=(task["reference_answer"],),
    )


def measure(resolved: ResolvedCase, answer: Answer, _: Corpus) -> Values:
    """nDCG of the first five and recall in the first ten of the pool's passages, each where the first of its own
    passages is. Applies to turns with judgements."""
    if not resolved.evidence:
        return {}
    ranked = list(dict.fromkeys(passage.source for passage in answer.passages))
    return measure_documents(ranked, [span.source for span in resolved.evidence])
