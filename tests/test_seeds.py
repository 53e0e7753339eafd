"""The grounding suite over the documents that ship, with the real encoder: what CI gates on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.compose import Footnote
from api.evaluating import SUITES, evaluate_with
from api.settings import Settings
from eval.cases import load_suite
from eval.records import read_records
from index.types import Encoder

pytestmark = pytest.mark.model

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, real_encoder: Encoder) -> Path:
    """The folder of a whole run of the suite."""
    folder = tmp_path_factory.mktemp("seeds")
    settings = Settings(source=REPOSITORY / "seeds", data=folder / "data")
    footnote = Footnote(settings, encoder=lambda: real_encoder, in_child=False)
    footnote.rebuild(lambda *_: None)
    evaluate_with(footnote, load_suite("seeds", SUITES), folder / "run")
    footnote.close()
    return folder / "run"


def test_every_gate_holds(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    assert [gate for gate in summary["gates"] if not gate["passed"]] == []
    assert summary["cases"] >= 60 and summary["failures"] == []


def test_every_kind_of_question_is_asked() -> None:
    tags = {tag for case in load_suite("seeds", SUITES).cases for tag in case.tags}
    assert tags >= {"plain", "paraphrase", "numeric", "multi-sentence", "follow-up", "false-premise", "unanswerable"}


def test_every_document_is_evidence_somewhere() -> None:
    sources = {evidence.source for case in load_suite("seeds", SUITES).cases for evidence in case.evidence}
    assert sources == {path.name for path in (REPOSITORY / "seeds").iterdir()}


def test_every_quotation_slices_out_of_its_document(run: Path) -> None:
    records = read_records(run / "records.jsonl")
    citations = [citation for record in records if record.answer for citation in record.answer.citations]
    assert len(citations) > 100
    assert all(citation.verified and citation.support == 1.0 for citation in citations)
    for record in records:
        assert record.answer is not None
        for citation in record.answer.citations:
            assert record.answer.text[citation.answer_start : citation.answer_end] == citation.cited_text
