"""Records of a set -> its table: every measure over the half that is reported, the half to tune on, and the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from eval.benchmarks.types import Benchmark
from eval.statistics import estimate_area, estimate_mean
from eval.types import Estimate, Record, ResolvedSuite

EVEN_HANDED = 0.5
"""A threshold at which abstaining wrongly and answering wrongly count alike, beside the one that ships."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one set."""

    measure: str
    reported: Estimate  # questions whose id has an odd SHA-256
    tuned: Estimate  # the others, on which constants may be fitted
    whole: Estimate


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one question."""

    id: str
    answerable: bool
    confidence: float  # in [0, 1]
    values: Mapping[str, float]
    failed: bool = False  # could not be run: 0 in every measure, declined if answerable, and answered if not


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of one set, or of several as one."""

    name: str
    documents: int
    questions: int
    failed: int  # questions that could not be run
    rows: tuple[Row, ...]


def is_reported(case_id: str) -> bool:
    return sha256(case_id.encode()).digest()[-1] % 2 == 1


def outcomes(benchmark: Benchmark, resolved: ResolvedSuite, records: Sequence[Record]) -> list[Outcome]:
    """``records`` are the answers to ``resolved``'s cases, in order, with no question declined for its confidence."""
    answers = [record.answer if record.failure is None else None for record in records]
    values = [
        benchmark.measure(case, answer, resolved.corpus) if answer else None
        for case, answer in zip(resolved.cases, answers, strict=True)
    ]
    nothing = dict.fromkeys((name for one in values for name in one or ()), 0.0)
    found: list[Outcome] = []
    for case, answer, own in zip(resolved.cases, answers, values, strict=True):
        answerable = case.case.answerable
        if answer is None or own is None:
            lost = nothing if case.evidence else {}
            found.append(Outcome(case.case.id, answerable, 0.0 if answerable else 1.0, lost, failed=True))
        else:
            found.append(Outcome(case.case.id, answerable, 0.0 if answer.abstained else answer.confidence, own))
    return found


def with_quoted(
    found: Sequence[Outcome], benchmark: Benchmark, resolved: ResolvedSuite, records: Sequence[Record], sentences: int
) -> list[Outcome]:
    """``found`` with what ``measure_quoted`` says of ``records``: the answers to ``resolved``'s cases, some of those of
    ``found``, with ``sentences`` quoted. Measures' names get that number."""
    if benchmark.measure_quoted is None:
        return list(found)
    quoted: dict[str, dict[str, float]] = {}
    for case, record in zip(resolved.cases, records, strict=True):
        answer = record.answer if record.failure is None else None
        values = benchmark.measure_quoted(case, answer, resolved.corpus) if answer else {}
        quoted[case.case.id] = {f"{name}_{sentences}": value for name, value in values.items()}
    names = {name for values in quoted.values() for name in values}
    more = {id_: {name: values.get(name, 0.0) for name in names} for id_, values in quoted.items()}  # failed: 0
    return [replace(one, values={**one.values, **more.get(one.id, {})}) for one in found]


def tabulate(name: str, documents: int, found: Sequence[Outcome], threshold: float) -> Result:
    """Means over ``found``, and how well the confidence tells what can be answered: at ``threshold``, the one that
    ships, at EVEN_HANDED, and whatever the threshold."""
    halves = (
        [one for one in found if is_reported(one.id)],
        [one for one in found if not is_reported(one.id)],
        found,
    )
    names = list(dict.fromkeys(measure for one in found for measure in one.values))
    rows = [Row(measure, *(_mean(measure, half) for half in halves)) for measure in names]
    if any(not one.answerable for one in found):
        columns = [_abstention(half, threshold) for half in halves]
        rows += [Row(measure, *(column[measure] for column in columns)) for measure in columns[0]]
    failed = sum(one.failed for one in found)
    return Result(name, documents, len(found), failed, tuple(rows))


def _mean(measure: str, some: Iterable[Outcome]) -> Estimate:
    return estimate_mean([one.values[measure] for one in some if measure in one.values])


def _abstention(some: Sequence[Outcome], threshold: float) -> dict[str, Estimate]:
    answerable = [one.confidence for one in some if one.answerable]
    others = [one.confidence for one in some if not one.answerable]
    declined = [float(not one.answerable) for one in some if one.confidence < threshold]
    rows: dict[str, Estimate] = {}
    for limit in (threshold, EVEN_HANDED):
        rows[f"declines_at_{limit:g}"] = estimate_mean([float(sure < limit) for sure in others])
        rows[f"keeps_at_{limit:g}"] = estimate_mean([float(sure >= limit) for sure in answerable])
    rows[f"abstention_precision_at_{threshold:g}"] = estimate_mean(declined)
    rows["confidence_auc"] = estimate_area(answerable, others)
    return rows
