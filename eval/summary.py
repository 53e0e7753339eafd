"""Records -> Summary: every mean with its interval, by tag too, and the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.consistency import consistency
from eval.gates import check_gates
from eval.measures import MEASURES, PER_CASE
from eval.reliability import calibration_error, risk_coverage
from eval.statistics import estimate_mean, estimate_percentile
from eval.types import CaseFailure, Estimate, Record, Suite, Summary, TagTable


def summarise(suite: Suite, records: Sequence[Record], context: Mapping[str, str], started: str) -> Summary:
    """Put the records of a whole run together. ``started`` is UTC in ISO 8601.

    ``context`` may hold ``generation``, ``settings_hash`` and ``model_fingerprint``; what it lacks is ""."""
    measures = summarise_measures(records)
    gates = check_gates(suite.gates, measures)
    tags = sorted({tag for record in records for tag in record.case.tags})
    return Summary(
        suite=suite.name,
        suite_sha256=suite.sha256,
        generation=context.get("generation", ""),
        settings_hash=context.get("settings_hash", ""),
        model_fingerprint=context.get("model_fingerprint", ""),
        context={key: context[key] for key in sorted(context)},
        started=started,
        seconds=round(sum(record.elapsed_ms for record in records) / 1000, 3),
        passed=all(gate.passed for gate in gates),
        cases=len(records),
        cases_passed=sum(record.passed for record in records),
        failures=tuple(
            CaseFailure(record.case.id, record.failure.type, record.failure.message)
            for record in records
            if record.failure is not None
        ),
        gates=gates,
        measures=measures,
        risk_coverage=risk_coverage(_answers(records), len(records)),
        tags=tuple(_tag_table(tag, [record for record in records if tag in record.case.tags]) for tag in tags),
    )


def summarise_measures(records: Sequence[Record]) -> dict[str, Estimate]:
    """Every measure of MEASURES, in its order, over the records to which it applies."""
    elapsed = [record.elapsed_ms for record in records]  # failed cases too: a time-out is not fast
    found = {name: estimate_mean(_values(name, records)) for name in PER_CASE}
    found["consistency"] = estimate_mean(consistency(records))
    error = calibration_error(_confidences(records))
    found["calibration_error"] = Estimate(error, None, None, len(records))
    found["latency_p50_ms"] = estimate_percentile(elapsed, 50)
    found["latency_p95_ms"] = estimate_percentile(elapsed, 95)
    return {name: found[name] for name in MEASURES}


def _confidences(records: Sequence[Record]) -> list[tuple[float, bool]]:
    """(confidence that the question is answered by what was found, whether it is answerable)."""
    return [(record.answer.confidence, record.case.answerable) for record in records if record.answer is not None]


def _answers(records: Sequence[Record]) -> list[tuple[float, bool]]:
    """(confidence, whether the case passed) of the answers that did not abstain."""
    return [
        (record.answer.confidence, record.passed)
        for record in records
        if record.answer is not None and not record.answer.abstained
    ]


def _values(name: str, records: Sequence[Record]) -> list[float]:
    values = (record.measures[name] for record in records)
    return [value for value in values if value is not None]


def _tag_table(tag: str, records: Sequence[Record]) -> TagTable:
    return TagTable(tag, len(records), sum(record.passed for record in records), summarise_measures(records))
