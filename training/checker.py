"""Fits the weights of rag.verify: `python -m training.checker DATA`.

On sets, or parts of them, that the reader was not trained on: DeFacto's test part (half weight: its claims are news
summaries and lean on the article's words alone), new_protocols' paragraph_val and edit_premise_val, fever_symmetric.
Each class of a set weighs the same. A sign's weight may not point the wrong way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from index.encode import DEFAULT_MODEL, load_encoder
from rag.align import align
from rag.read import OnnxReader
from rag.verify import AlignmentChecker, Signs, Weights
from training.data import read, sentences_of

_SETS = {
    "defacto/test": 0.5,
    "new_protocols/paragraph_val": 1.0,
    "new_protocols/edit_premise_val": 1.0,
    "fever_symmetric/dev": 0.5,
    "fever_symmetric/test": 0.5,
}
_POINTS = (1, 1, 1, -1, -1, -1, 1, 1)  # which way each sign may point, in the order of Signs
_L2 = 0.02

Row = tuple[NDArray[np.float64], bool, float]  # signs, entailed, weight


def rows(checker: AlignmentChecker, data: Path, share: float) -> Iterator[Row]:
    for name, weight in _SETS.items():
        found = read(data / f"{name}.jsonl.gz")
        found = found[: max(20, int(share * len(found)))]
        labels = [row["label"] == "entailment" for row in found]
        for row, label in zip(found, labels, strict=True):
            evidence = sentences_of(row["premise"])
            signs = checker.signs(row["hypothesis"], evidence, align(row["hypothesis"], evidence))
            yield values(signs), label, weight / labels.count(label)


def values(signs: Signs) -> NDArray[np.float64]:
    """(8,): all but whether there was a reader."""
    return np.asarray(astuple(signs)[:-1], dtype=np.float64)


def fit(some: list[Row]) -> Weights:
    """Logistic regression, L2 over standardised signs, by L-BFGS-B with a bound at 0 on one side of each weight."""
    x = np.stack([row[0] for row in some])  # (n, n_signs)
    y = np.array([float(row[1]) for row in some])
    share = np.array([row[2] for row in some])
    share /= share.sum()
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - mean) / deviation

    def loss(p: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = z @ p[:-1] + p[-1]
        gradient = (1 / (1 + np.exp(-logit)) - y) * share
        value = float(((np.logaddexp(0, logit) - y * logit) * share).sum() + _L2 * (p[:-1] ** 2).sum())
        return value, np.append(z.T @ gradient + 2 * _L2 * p[:-1], gradient.sum())

    bounds = [(0.0, None) if points > 0 else (None, 0.0) for points in _POINTS[: x.shape[1]]] + [(None, None)]
    best = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = best[:-1] / deviation
    intercept = float(best[-1] - (best[:-1] * mean / deviation).sum())
    return Weights(round(intercept, 3), *(round(float(weight), 3) for weight in weights))


def main(data: Path, share: float = 1.0) -> list[Weights]:
    """The weights with a reader, and without one."""
    encoder = load_encoder(DEFAULT_MODEL, Path("data") / "encoders")
    checker = AlignmentChecker(encoder.encode_query, encoder.fingerprint, OnnxReader())
    some = list(rows(checker, data, share))
    with_reader = fit(some)
    without = fit([(signs[:-1], label, weight) for signs, label, weight in some])
    return [with_reader, without]


if __name__ == "__main__":
    for name, fitted in zip(("READ", "UNREAD"), main(Path(sys.argv[1])), strict=True):
        told = {field.name: getattr(fitted, field.name) for field in fields(fitted)}
        sys.stdout.write(f"{name} {told}\n")
