"""Two runs of one suite, question by question: what changed, and whether it can be chance.

Both runs answered the same questions, so each measure's differences are paired. Their mean has a bootstrap interval;
the sign test (two-sided, exact: how likely so many of the questions that changed would change to one side if either
side were as likely) needs no shape of the differences. Demsar, Statistical Comparisons of Classifiers over Multiple
Data Sets (2006), section 3.1.4."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from eval.codec import from_json
from eval.errors import SuiteError
from eval.measures import LOWER_IS_BETTER, PER_CASE
from eval.records import RECORDS, read_records
from eval.statistics import estimate_mean
from eval.types import Estimate, Record, Summary
from rag.types import Answer

PASSED = "passed"
"""Beside the measures: whether the case passed."""

SIGNIFICANT = 0.05  # of a difference that chance makes in so many of a hundred comparisons, corrected for their number


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, read back from its folder."""

    name: str
    summary: Summary
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure over the questions that it applies to in both runs."""

    measure: str
    before: float
    after: float
    change: Estimate  # after minus before, paired
    better: int  # questions
    worse: int
    p: float  # of the sign test
    verdict: str  # "better", "worse" or "": p, corrected, is small and the interval holds no 0


@dataclass(frozen=True, slots=True)
class Change:
    """A question that was answered otherwise."""

    id: str
    question: str
    before: str  # the answer's text; what went wrong where asking failed
    after: str
    passed_before: bool
    passed_after: bool
    passages: int  # of the later run's that the earlier had not found
    citations: int  # of the later run's that the earlier did not have
    documents_changed: bool  # a document behind it is another in the later run
    measures: Mapping[str, tuple[float | None, float | None]]  # those that differ


@dataclass(frozen=True, slots=True)
class Comparison:
    before: Run
    after: Run
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]  # worst first
    cases: int  # that are in both runs and ask the same
    only_before: tuple[str, ...]  # ids
    only_after: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if not self.changes and not any(one.change.value for one in self.differences):
            return "Nothing changed."
        worse = [one.measure for one in self.differences if one.verdict == "worse"]
        better = [one.measure for one in self.differences if one.verdict == "better"]
        parts = [f"worse in {', '.join(worse)}"] if worse else []
        parts += [f"better in {', '.join(better)}"] if better else []
        return f"The second run is {' and '.join(parts)}." if parts else "No difference that could not be chance."


def read_run(folder: Path) -> Run:
    """Raises SuiteError when ``folder`` holds no finished run."""
    try:
        summary = from_json(Summary, json.loads((folder / "summary.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SuiteError(
            f"{folder} holds no finished run of this version ({error}).",
            remedy="Run footnote eval run SUITE --out DIR.",
        ) from error
    return Run(str(folder), summary, read_records(folder / RECORDS))


def compare(before: Run, after: Run, changed: Set[str] = frozenset()) -> Comparison:
    """``changed`` are sources of documents that are known to be others, or gone, in the later run; those that the
    records show to be are found. Raises SuiteError when the runs share no question."""
    earlier = {record.case.id: record for record in before.records}
    later = {record.case.id: record for record in after.records}
    pairs = [
        (earlier[id_], record)
        for id_, record in later.items()
        if id_ in earlier and _asks(earlier[id_]) == _asks(record)
    ]
    if not pairs:
        raise SuiteError(f"{before.name} and {after.name} share no question.", remedy="Compare runs of one suite.")
    both = {record.case.id for _, record in pairs}
    found = [found for name in (PASSED, *PER_CASE) if (found := _difference(name, pairs))]
    changes = [change for one, other in pairs if (change := _change(one, other, changed))]
    return Comparison(
        before=before,
        after=after,
        differences=tuple(_judged(found)),
        changes=tuple(sorted(changes, key=lambda change: (change.passed_after - change.passed_before, change.id))),
        cases=len(pairs),
        only_before=tuple(id_ for id_ in earlier if id_ not in both),
        only_after=tuple(id_ for id_ in later if id_ not in both),
    )


def sign_test(better: int, worse: int) -> float:
    """Two-sided p of so uneven a split of ``better + worse`` questions, either side being as likely.

    >>> sign_test(0, 0), sign_test(5, 0)
    (1.0, 0.0625)
    """
    n, fewer = better + worse, min(better, worse)
    return min(1.0, float(2 * sum(math.comb(n, i) for i in range(fewer + 1)) / 2**n))


def _asks(record: Record) -> tuple[object, ...]:
    case = record.case
    return case.question, case.messages, case.answerable, case.documents, case.without


def _difference(name: str, pairs: Sequence[tuple[Record, Record]]) -> Difference | None:
    """None where the measure applies to no question in both runs."""
    values = [(_value(one, name), _value(other, name)) for one, other in pairs]
    known = [(one, other) for one, other in values if one is not None and other is not None]
    if not known:
        return None
    sign = -1.0 if name in LOWER_IS_BETTER else 1.0
    changes = [other - one for one, other in known]
    better, worse = sum(sign * change > 0 for change in changes), sum(sign * change < 0 for change in changes)
    before, after = (math.fsum(side) / len(known) for side in zip(*known, strict=True))
    return Difference(name, before, after, estimate_mean(changes), better, worse, sign_test(better, worse), "")


def _value(record: Record, name: str) -> float | None:
    return float(record.passed) if name == PASSED else record.measures.get(name)


def _judged(found: Sequence[Difference]) -> list[Difference]:
    """Each with its verdict. The p of m measures are corrected as Holm does: the smallest has to be below .05 / m, the
    next below .05 / (m - 1), and so on (Holm 1979, https://www.jstor.org/stable/4615733)."""
    verdicts: dict[str, str] = {}
    order = sorted(found, key=lambda one: one.p)
    for rank, one in enumerate(order):
        if one.p > SIGNIFICANT / (len(order) - rank):
            break
        low, high = one.change.low or 0.0, one.change.high or 0.0
        if low > 0 or high < 0:
            verdicts[one.measure] = "better" if one.better > one.worse else "worse"
    return [replace(one, verdict=verdicts.get(one.measure, "")) for one in found]


def _change(one: Record, other: Record, changed: Set[str]) -> Change | None:
    """None where passages, citations, text and measures are the same."""
    measures = {
        name: (one.measures.get(name), other.measures.get(name))
        for name in PER_CASE
        if one.measures.get(name) != other.measures.get(name)
    }
    passages = _new(one.answer, other.answer, lambda answer: [(p.source, p.text) for p in answer.passages])
    citations = _new(one.answer, other.answer, lambda answer: [(c.source, c.cited_text) for c in answer.citations])
    if not measures and not passages and not citations and _said(one) == _said(other):
        return None
    return Change(
        id=other.case.id,
        question=other.case.question,
        before=_said(one),
        after=_said(other),
        passed_before=one.passed,
        passed_after=other.passed,
        passages=passages,
        citations=citations,
        documents_changed=_documents_changed(one, other, changed),
        measures=measures,
    )


def _said(record: Record) -> str:
    if record.failure is not None or record.answer is None:
        return f"could not be run: {record.failure.type if record.failure else 'no answer'}"
    return record.answer.text if not record.answer.abstained else f"{record.answer.text} ({record.answer.reason})"


def _new(one: Answer | None, other: Answer | None, parts: Callable[[Answer], list[tuple[str, str]]]) -> int:
    had = set(parts(one)) if one else set()
    return sum(part not in had for part in parts(other)) if other else 0


def _documents_changed(one: Record, other: Record, changed: Set[str]) -> bool:
    before, after = documents_of(one), documents_of(other)
    differs = any(before[source] != after[source] for source in before.keys() & after.keys())
    return differs or not changed.isdisjoint(before.keys() | after.keys())


def documents_of(record: Record) -> dict[str, str]:
    """Source -> id of the documents that a case is about: its evidence's, and those its answer cites. An id names path
    and bytes."""
    found = {span.source: span.document_id for span in record.evidence}
    if record.answer is not None:
        found |= {one.source: one.document_id for one in record.answer.citations}
    return found
