"""The gate before publishing: a suite is asked of a new generation before it goes live, and of the live one too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from api.compose import Footnote
from api.evaluating import SUITES, evaluate_generation
from api.settings import Settings
from eval.cases import load_suite
from eval.compare import documents_of, read_run
from eval.errors import SuiteError
from eval.types import Record, Suite
from index.errors import IncompatibleIndex
from index.generation import Generation
from index.types import Encoder, FailedCase, GateOutcome, IngestReport
from rag.read import Reader


def ask_suite(
    settings: Settings,
    encoder: Callable[[], Encoder],
    reader: Callable[[], Reader],
    candidate: Generation,
    live: Generation | None,
    report: IngestReport,
) -> GateOutcome:
    """Ask the suite that the settings name; records and reports go to gate/candidate and gate/live in the data folder.

    It passes when every gate of the suite holds; a suite without gates passes when every case does. Evidence that the
    documents do not hold any more fails it too: nobody has looked at that case since. Raises SuiteError when the
    suite itself is wrong."""
    suite = load_suite(settings.gate_suite, SUITES)
    folder = settings.data / "gate"
    with closing(Footnote(settings, encoder=encoder, reader=reader)) as footnote:
        try:
            summary = evaluate_generation(footnote, candidate, suite, folder / "candidate")
        except SuiteError as error:
            # Not the whole message: it names the folder, and reasons are told over HTTP.
            return GateOutcome(suite.name, passed=False, reasons=("The documents lack evidence.", *error.problems))
        asked_before = live is not None and _ask_live(footnote, live, suite, folder / "live")
    now = read_run(folder / "candidate")
    before = read_run(folder / "live") if asked_before else None
    earlier = {record.case.id: record for record in before.records} if before else {}
    changed = {*report.added, *report.changed, *report.deleted, *(name for pair in report.renamed for name in pair)}
    failed = tuple(
        FailedCase(
            record.case.id,
            record.case.question,
            passed_before=earlier[record.case.id].passed if record.case.id in earlier else None,
            documents_changed=not changed.isdisjoint(_about(record, earlier.get(record.case.id))),
        )
        for record in now.records
        if not record.passed
    )
    reasons = tuple(gate.reason for gate in summary.gates if not gate.passed)
    if not suite.gates and failed:
        reasons = (f"{len(failed)} of {summary.cases} cases fail.",)
    return GateOutcome(suite.name, passed=not reasons, reasons=reasons, failed=failed)


def _about(record: Record, earlier: Record | None) -> set[str]:
    """Sources of the documents that the case was about, in either generation."""
    return {*documents_of(record), *(documents_of(earlier) if earlier else ())}


def _ask_live(footnote: Footnote, live: Generation, suite: Suite, out: Path) -> bool:
    """Whether the live generation could be asked: evidence for new documents is not in it, and it may be of an encoder
    that the settings name no more."""
    try:
        evaluate_generation(footnote, live, suite, out)
    except (SuiteError, IncompatibleIndex):
        return False
    return True
