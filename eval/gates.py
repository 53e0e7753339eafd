"""Gates: what a run's means have to be. Written in suite.toml as ``"measure" = ">= 0.85"``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from eval.errors import SuiteError
from eval.measures import MEASURES
from eval.types import Estimate, Gate, GateResult, Operator

_CONDITION = re.compile(r"\s*(>=|<=|==|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


def _same(value: float, threshold: float) -> bool:
    return math.isclose(value, threshold, abs_tol=1e-9)  # means are sums of fractions


_HOLDS: dict[Operator, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": _same,
}


def parse_gates(conditions: Mapping[str, Any], path: Path) -> tuple[Gate, ...]:
    """measure -> condition, as read from ``path``. Raises SuiteError with every gate that cannot be checked."""
    gates: list[Gate] = []
    problems: list[str] = []
    for measure, condition in conditions.items():
        match = _CONDITION.fullmatch(condition) if isinstance(condition, str) else None
        if measure not in MEASURES:
            problems.append(f"{path}: gate {measure!r}: there is no such measure")
        elif not match:
            problems.append(f"{path}: gate {measure!r}: {condition!r} is not a condition such as '>= 0.85'")
        else:
            gates.append(Gate(measure, cast(Operator, match[1]), float(match[2])))
    if problems:
        raise SuiteError(
            "The suite's gates are wrong:", problems=problems, remedy=f"Measures there are: {', '.join(MEASURES)}."
        )
    return tuple(gates)


def check_gates(gates: Sequence[Gate], measures: Mapping[str, Estimate]) -> tuple[GateResult, ...]:
    """Each gate against the run. A measure that applied to no case fails its gate: nothing was shown to hold."""
    return tuple(_check(gate, measures[gate.measure]) for gate in gates)


def _check(gate: Gate, estimate: Estimate) -> GateResult:
    if estimate.value is None:
        reason = f"{gate.measure} applied to no case (n = 0), so there is nothing to pass on"
        return GateResult(gate.measure, gate.condition, None, False, reason)
    holds = _HOLDS[gate.operator](estimate.value, gate.threshold)
    reason = "" if holds else f"{gate.measure} is {estimate.value:.4g} over {estimate.n} cases, not {gate.condition}"
    return GateResult(gate.measure, gate.condition, estimate.value, holds, reason)
