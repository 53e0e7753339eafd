"""Means, percentiles and their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.types import Estimate

_RESAMPLES = 2_000  # the interval's ends then move by well under their own width from seed to seed
_SEED = 20_250_101  # fixed: the same records give the same interval
_BLOCK = 1_000_000  # values drawn at once, to bound memory

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # (resamples, n) -> (resamples,)


def estimate_mean(values: Sequence[float]) -> Estimate:
    """The mean with its 95 % interval. The sum is exact (fsum), so that 17 of 20 is 0.85 and meets ``>= 0.85``."""
    if not values:
        return Estimate(None, None, None, 0)
    low, high = bootstrap_interval(values, lambda rows: rows.mean(axis=1))
    mean = math.fsum(values) / len(values)
    return Estimate(mean, min(low, mean), max(high, mean), len(values))


def estimate_percentile(values: Sequence[float], percent: float) -> Estimate:
    """A percentile (linear between neighbours) with its 95 % interval."""
    if not values:
        return Estimate(None, None, None, 0)
    low, high = bootstrap_interval(values, lambda rows: np.percentile(rows, percent, axis=1))
    value = float(np.percentile(np.asarray(values, dtype=np.float64), percent))
    return Estimate(value, min(low, value), max(high, value), len(values))


def bootstrap_interval(values: Sequence[float], statistic: Statistic) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of ``statistic``: the questions are drawn anew, with replacement.

    Efron, Bootstrap methods (1979), https://doi.org/10.1214/aos/1176344552. It has no width when all values are the
    same; that says nothing about questions that were not asked. ``values`` must not be empty."""
    data = np.asarray(values, dtype=np.float64)  # (n,)
    generator = np.random.default_rng(_SEED)
    rows = max(1, _BLOCK // len(data))
    results: list[NDArray[np.float64]] = []
    for done in range(0, _RESAMPLES, rows):
        picks = generator.integers(0, len(data), size=(min(rows, _RESAMPLES - done), len(data)))
        results.append(statistic(data[picks]))
    low, high = np.percentile(np.concatenate(results), [2.5, 97.5])
    return float(low), float(high)
