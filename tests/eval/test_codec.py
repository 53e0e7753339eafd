from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from eval.codec import from_json, to_json
from eval.errors import SuiteError
from eval.evidence import resolve
from eval.records import append_record, read_records
from eval.run import ask_cases
from rag.types import Answer
from tests.eval.story import CRANES, OPENED, OWNER, TEXTS, abstention, answer, passage, suite


def test_an_answer_reads_back_as_it_was() -> None:
    for given in (
        answer(("doc-h", "It has 12 cranes."), passages=[passage("doc-h", "It has 12 cranes.")]),
        abstention(),
        replace(answer(("doc-h", "It has 12 cranes.")), confidence=1),
    ):
        assert from_json(Answer, json.loads(json.dumps(to_json(given)))) == given


def test_an_answer_from_before_a_field_was_added_is_read_with_its_default() -> None:
    given = answer(("doc-h", "It has 12 cranes."))
    older = to_json(given)
    del older["fallback"], older["removed_sentences"]
    assert from_json(Answer, older) == given
    del older["text"]  # which has none
    with pytest.raises(KeyError):
        from_json(Answer, older)


def test_records_read_back_as_they_were(tmp_path: Path) -> None:
    resolved = resolve(suite(tmp_path / "port", [OPENED, CRANES, OWNER]), TEXTS)
    odd = replace(answer(("doc-h", "It has 12 cranes.")), text="one\u2028two\n\ud800")
    records = ask_cases(resolved, ask=lambda question: odd, context={})
    for record in records:
        append_record(tmp_path / "records.jsonl", record, "key")
    assert read_records(tmp_path / "records.jsonl") == records


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"format": 1, "run": "", "id": "x"}\n')
    with pytest.raises(SuiteError, match="line 1: not a record"):
        read_records(tmp_path / "records.jsonl")


def test_a_number_of_numpys_is_a_number() -> None:
    assert to_json((np.float32(0.5), np.int64(3))) == [0.5, 3]


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        to_json({"a": set()})


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    name: str | None


@pytest.mark.parametrize(
    "value", [{"x": 1}, {"x": "1", "name": None}, {"x": True, "name": None}, {"x": 1, "name": "a", "y": 2}, []]
)
def test_what_does_not_fit_the_type_is_refused(value: object) -> None:
    with pytest.raises((KeyError, TypeError)):
        from_json(Point, value)
