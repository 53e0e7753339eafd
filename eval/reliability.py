"""What a confidence is worth: pure functions of (confidence, whether it came true)."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BINS = 10


def calibration_error(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """How far confidences in [0, 1] are from what came true: over ten bins of equal width, the difference between the
    mean confidence and the share that came true, weighed by how many fall into the bin; None without any.

    Expected calibration error, Guo et al. 2017, https://arxiv.org/abs/1706.04599."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for confidence, true in pairs:
        bins[min(int(confidence * _BINS), _BINS - 1)].append((confidence, true))
    gaps = [abs(math.fsum(confidence - true for confidence, true in some)) for some in bins]
    return math.fsum(gaps) / len(pairs) if pairs else None


def risk_coverage(pairs: Sequence[tuple[float, bool]], asked: int) -> tuple[tuple[float, float], ...]:
    """(coverage, risk) for each number of answers that could have been given, the surest first: the share of ``asked``
    questions that is answered, and the share of the answers that is wrong.

    ``pairs`` are the answers given: (confidence, right). Equal confidences are taken together. El-Yaniv and Wiener
    2010, https://jmlr.org/papers/v11/el-yaniv10a.html."""
    ordered = sorted(pairs, key=lambda pair: -pair[0])
    curve: list[tuple[float, float]] = []
    wrong = 0
    for number, (confidence, right) in enumerate(ordered, start=1):
        wrong += not right
        if number == len(ordered) or ordered[number][0] != confidence:
            curve.append((number / asked, wrong / number))
    return tuple(curve)
