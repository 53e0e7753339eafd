"""The confidence below which to abstain, fitted to a folder: from questions known to be answerable in it or not.

Confidences order a folder's questions better than they are placed: what counts as near differs from folder to folder.
So the order is kept and the threshold moved."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median

from eval.codec import from_json, to_json
from eval.errors import CalibrationError, SuiteError
from eval.statistics import estimate_mean
from eval.types import Estimate
from index.files import replace_file

FORMAT = 1
MIN_CASES = 10  # of each kind; with fewer, one case moves the threshold
_FOLDS = 5
_GRID = [round(0.05 + 0.01 * step, 2) for step in range(91)]  # thresholds tried


@dataclass(frozen=True, slots=True)
class Sureness:
    """How sure the answer to one question was, before anything was declined."""

    id: str
    answerable: bool
    confidence: float  # in [0, 1]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, what to expect of it, and what it was fitted to and holds for; what calibration.json holds."""

    format: int
    min_confidence: float
    abstention_precision: Estimate  # of what is declined, the share that is unanswerable
    abstention_recall: Estimate  # of what is unanswerable, the share that is declined
    kept: Estimate  # of what is answerable, the share that is answered
    made: bool  # fitted to questions made by rule, not to a suite of questions that were asked
    suite: str  # the suite's name, "" when made
    generation: str
    models: str  # fingerprint of the encoder, reader and reranker that were asked
    at: str  # UTC, ISO 8601


def write_calibration(path: Path, found: Calibration) -> None:
    replace_file(path, json.dumps(to_json(found), indent=1) + "\n")


def read_calibration(path: Path) -> Calibration | None:
    """None when there is no file. Raises CalibrationError when it cannot be read or is of another format."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    try:
        found = from_json(Calibration, json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(path, error) from error
    if found.format != FORMAT or not 0 <= found.min_confidence <= 1:
        raise _unreadable(path, f"format {found.format}, threshold {found.min_confidence}")
    return found


def _unreadable(path: Path, why: object) -> CalibrationError:
    return CalibrationError(f"{path.name} cannot be used ({why}).", remedy="Run footnote eval calibrate again.")


def choose_threshold(questions: Sequence[Sureness]) -> float:
    """The middle of the thresholds whose balanced accuracy is within a standard error of the best one's.

    For the few questions a folder has, many thresholds are as good as one another, and the very best is chance. (The
    rule of one standard error: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3.) Raises
    SuiteError with fewer than MIN_CASES of a kind."""
    counts = [sum(one.answerable is kind for one in questions) for kind in (True, False)]
    if min(counts) < MIN_CASES:
        raise SuiteError(
            f"A threshold cannot be fitted to {counts[0]} answerable and {counts[1]} unanswerable questions.",
            remedy=f"Give at least {MIN_CASES} of each.",
        )
    return _middle_of_good(questions)


def between(one: float, other: float) -> float:
    """The middle of two probabilities, by their log-odds."""
    middle = (math.log(one / (1 - one)) + math.log(other / (1 - other))) / 2
    return round(1 / (1 + math.exp(-middle)), 2)


def expect(questions: Sequence[Sureness], threshold: float | None = None) -> tuple[Estimate, Estimate, Estimate]:
    """Precision and recall of abstaining, and the share of the answerable that is kept, each with its 95 % interval.

    With ``threshold``, of that one. Without, of choose_threshold, cross-validated: the questions are dealt into five
    parts, and each part is judged by the threshold fitted to the other four."""
    thresholds = {one.id: threshold for one in questions} if threshold is not None else _fitted_without(questions)
    declined = [(one, one.confidence < thresholds[one.id]) for one in questions]
    right = [float(not one.answerable) for one, is_declined in declined if is_declined]
    recall = [float(is_declined) for one, is_declined in declined if not one.answerable]
    kept = [float(not is_declined) for one, is_declined in declined if one.answerable]
    return estimate_mean(right), estimate_mean(recall), estimate_mean(kept)


def _middle_of_good(questions: Sequence[Sureness]) -> float:
    answerable = [one.confidence for one in questions if one.answerable]
    others = [one.confidence for one in questions if not one.answerable]
    rates = [
        (
            sum(sure >= threshold for sure in answerable) / len(answerable),
            sum(sure < threshold for sure in others) / len(others),
        )
        for threshold in _GRID
    ]
    kept, declined = max(rates, key=sum)
    error = math.sqrt(kept * (1 - kept) / len(answerable) + declined * (1 - declined) / len(others)) / 2
    good = (kept + declined) / 2 - error
    return round(median(threshold for threshold, both in zip(_GRID, rates, strict=True) if sum(both) / 2 >= good), 3)


def _fitted_without(questions: Sequence[Sureness]) -> dict[str, float]:
    """For each question's id the threshold fitted to the parts that it is not in; each kind is dealt out evenly."""
    part: dict[str, int] = {}
    for kind in (True, False):
        ids = sorted(
            (one.id for one in questions if one.answerable is kind), key=lambda id_: sha256(id_.encode()).digest()
        )
        part |= {id_: number % _FOLDS for number, id_ in enumerate(ids)}
    fitted = [_middle_of_good([one for one in questions if part[one.id] != number]) for number in range(_FOLDS)]
    return {id_: fitted[number] for id_, number in part.items()}
