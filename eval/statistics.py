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


def estimate_area(higher: Sequence[float], lower: Sequence[float]) -> Estimate:
    """The area under the ROC curve: how often one of ``higher`` is above one of ``lower``, ties by half, with its 95 %
    interval; both are drawn anew. ``n`` counts both."""
    if not higher or not lower:
        return Estimate(None, None, None, len(higher) + len(lower))
    above, below = np.asarray(higher, dtype=np.float64), np.asarray(lower, dtype=np.float64)
    order = np.argsort(np.concatenate([above, below]), kind="stable")
    scores = np.concatenate([above, below])[order]
    first_of, last_of = (np.searchsorted(scores, scores, side=side) for side in ("left", "right"))  # of equal ones
    is_above = order < len(above)
    generator = np.random.default_rng(_SEED)

    def area(weights: NDArray[np.float64]) -> float:
        down = np.where(is_above, 0.0, weights)
        before = np.concatenate([[0.0], np.cumsum(down)])  # weight of the lower ones before each place
        won = (before[first_of] + before[last_of]) / 2
        return float((np.where(is_above, weights, 0.0) * won).sum() / (weights[is_above].sum() * down.sum()))

    drawn: list[float] = []
    for _ in range(_RESAMPLES):
        counts = np.concatenate(
            [generator.multinomial(len(some), np.full(len(some), 1 / len(some))) for some in (above, below)]
        )
        drawn.append(area(counts[order].astype(np.float64)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    value = area(np.ones(len(scores)))
    return Estimate(value, min(float(low), value), max(float(high), value), len(scores))


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


def estimate_balanced(pairs: Sequence[tuple[bool, bool]]) -> Estimate:
    """Balanced accuracy of ``(true, judged)``: the mean of the shares judged right among the true and the false ones,
    with its 95 % interval; None when one kind is missing."""
    sides = [[float(judged is kind) for true, judged in pairs if true is kind] for kind in (True, False)]
    if not all(sides):
        return Estimate(None, None, None, len(pairs))
    generator = np.random.default_rng(_SEED)
    drawn = np.zeros(_RESAMPLES)
    for side in sides:  # to draw a share anew with replacement is to draw from a binomial distribution
        drawn += generator.binomial(len(side), math.fsum(side) / len(side), size=_RESAMPLES) / len(side) / 2
    low, high = np.percentile(drawn, [2.5, 97.5])
    value = sum(math.fsum(side) / len(side) for side in sides) / 2
    return Estimate(value, min(float(low), value), max(float(high), value), len(pairs))


def estimate_correlation(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """Spearman's rank correlation with its 95 % interval; None when one side is the same for all.

    Spearman, The Proof and Measurement of Association between Two Things (1904)."""
    data: NDArray[np.float64] = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    value = _correlation(data)
    if value is None:
        return Estimate(None, None, None, len(pairs))
    generator = np.random.default_rng(_SEED)
    drawn = [_correlation(data[generator.integers(0, len(data), size=len(data))]) for _ in range(_RESAMPLES // 4)]
    low, high = np.percentile([one for one in drawn if one is not None], [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value), len(pairs))


def _correlation(data: NDArray[np.float64]) -> float | None:
    ranks = [_ranks(column) for column in data.T]
    if len(data) < 2 or any(float(column.std()) == 0.0 for column in ranks):
        return None
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)
