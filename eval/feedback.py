"""A thumbs-down becomes a case, so that what went wrong once is asked again before every change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.cases import TO_REVIEW, load_suite
from eval.errors import SuiteError
from eval.types import Case
from index.files import replace_file


def cases_of(feedback: Path) -> list[tuple[Case, str]]:
    """A case for each answer whose last verdict was "down", with the comment that came with it, oldest first.

    The question is the one that was understood, so that a follow-up stands alone. Where the answer abstained the case
    expects an answer; where it answered, an abstention, which is better than what was wrong. So it fails until a person
    has said what is right; the tag TO_REVIEW says that nobody has. Raises SuiteError naming a line that is damaged."""
    last: dict[str, dict[str, Any]] = {}
    for line in _lines(feedback):
        last.pop(line["answer_id"], None)
        last[line["answer_id"]] = line
    return [(_case(line), str(line["comment"])) for line in last.values() if line["verdict"] == "down"]


def add_cases(folder: Path, feedback: Path) -> list[tuple[Case, str]]:
    """Append the cases that the suite in ``folder`` does not ask yet; returns them with their comments.

    Raises SuiteError when the suite or the feedback cannot be read; nothing is written then."""
    suite = load_suite(folder, folder)
    asked, ids = {case.question for case in suite.cases}, {case.id for case in suite.cases}
    new = [(case, comment) for case, comment in cases_of(feedback) if case.id not in ids and case.question not in asked]
    if new:
        path = suite.path / "cases.jsonl"
        before = path.read_text("utf-8")
        replace_file(path, before + ("" if before.endswith("\n") or not before else "\n") + _written(new))
    return new


def _written(cases: Sequence[tuple[Case, str]]) -> str:
    lines = [
        {"id": case.id, "question": case.question, "answerable": case.answerable, "tags": list(case.tags)}
        for case, _ in cases
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _case(line: dict[str, Any]) -> Case:
    answer = line["answer"]
    answerable = bool(answer["abstained"])
    return Case(
        f"feedback-{line['answer_id']}", answer["standalone_question"], answerable, tags=("feedback", TO_REVIEW)
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        texts = path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        return
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            known = isinstance(line["answer"]["standalone_question"], str) and {"verdict", "comment"} <= line.keys()
            if not known or not isinstance(line["answer_id"], str):
                raise ValueError("not a verdict on an answer")
        except (ValueError, KeyError, TypeError) as error:
            raise SuiteError(f"{path}, line {number}: {error}.", remedy="Remove the line.") from error
        yield line
