"""Grounding evaluations: suites of questions -> records -> measures -> report and gate.

    suite = load_suite("seeds", Path("eval/suites"))
    summary = run_suite(suite, ask=ask, texts=texts, context={"generation": "000012"}, out=Path("runs/seeds"))
    summary.passed  # every gate holds

Read eval.types first."""

from eval.cases import load_suite
from eval.codec import to_json
from eval.errors import SuiteError
from eval.evidence import resolve
from eval.gates import check_gates
from eval.measures import MEASURES
from eval.records import read_records
from eval.report import summary_json, write_reports
from eval.run import ask_cases, run_suite
from eval.summary import summarise
from eval.types import (
    Case,
    Estimate,
    Evidence,
    Gate,
    GateResult,
    Record,
    ResolvedCase,
    ResolvedSuite,
    Suite,
    Summary,
)

__all__ = [
    "MEASURES",
    "Case",
    "Estimate",
    "Evidence",
    "Gate",
    "GateResult",
    "Record",
    "ResolvedCase",
    "ResolvedSuite",
    "Suite",
    "SuiteError",
    "Summary",
    "ask_cases",
    "check_gates",
    "load_suite",
    "read_records",
    "resolve",
    "run_suite",
    "summarise",
    "summary_json",
    "to_json",
    "write_reports",
]
