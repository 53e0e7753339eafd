from __future__ import annotations

from pathlib import Path

import pytest

from eval.errors import SuiteError
from eval.gates import check_gates, parse_gates
from eval.types import Estimate, Gate

HERE = Path("suite.toml")


def _estimate(value: float | None) -> Estimate:
    return Estimate(value, value, value, 0 if value is None else 20)


def test_conditions_are_read() -> None:
    gates = parse_gates({"rr": ">= 0.85", "failed": "==0", "latency_p95_ms": " < 5e2 "}, HERE)
    assert gates == (Gate("rr", ">=", 0.85), Gate("failed", "==", 0.0), Gate("latency_p95_ms", "<", 500.0))


def test_what_cannot_be_checked_is_refused_together() -> None:
    with pytest.raises(SuiteError) as error:
        parse_gates({"accuracy": ">= 1", "rr": "0.85", "failed": 0, "rouge_l": ">= nan", "token_f1": "=> 1"}, HERE)
    assert "gate 'accuracy': there is no such measure" in error.value.problems[0]
    assert len(error.value.problems) == 5
    assert "citation_exact" in str(error.value)  # the measures there are


@pytest.mark.parametrize(
    ("condition", "below", "at", "above"),
    [
        (">= 0.5", False, True, True),
        ("> 0.5", False, False, True),
        ("<= 0.5", True, True, False),
        ("< 0.5", True, False, False),
        ("== 0.5", False, True, False),
    ],
)
def test_each_operator(condition: str, below: bool, at: bool, above: bool) -> None:
    gates = parse_gates({"rr": condition}, HERE)
    assert [check_gates(gates, {"rr": _estimate(value)})[0].passed for value in (0.4, 0.5, 0.6)] == [below, at, above]


def test_a_gate_that_fails_names_the_measure_its_value_and_the_condition() -> None:
    (result,) = check_gates(parse_gates({"rr": ">= 0.85"}, HERE), {"rr": _estimate(0.8)})
    assert result.reason == "rr is 0.8 over 20 cases, not >= 0.85"


def test_a_measure_that_applied_to_nothing_fails_even_an_easy_gate() -> None:
    (result,) = check_gates(parse_gates({"rr": ">= 0"}, HERE), {"rr": _estimate(None)})
    assert not result.passed
    assert "n = 0" in result.reason
