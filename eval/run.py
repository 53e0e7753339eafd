"""A suite of questions -> one record each -> summary and reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from eval.evidence import resolve
from eval.explain import explain, ungrounded
from eval.measures import DECISIVE, QUOTATIONS, measure_case
from eval.records import RECORDS, append_record, record_line, run_key, unfinished_records
from eval.report import REPORTS, write_reports
from eval.summary import summarise
from eval.types import Corpus, Failure, Record, ResolvedCase, ResolvedSuite, Suite, Summary
from index.files import replace_file
from rag.types import Answer, Question
from rag.verify import Checker

K = 10  # passages retrieved for each question: what ndcg_at_10 looks at

Ask = Callable[[Question], Answer]
Progress = Callable[[int, int, Record], None]  # (cases done, cases in all, the latest)
Clock = Callable[[], float]  # seconds


def run_suite(
    suite: Suite,
    *,
    ask: Ask,
    texts: Mapping[str, tuple[str, str]],
    context: Mapping[str, str],
    out: Path | None = None,
    on_progress: Progress | None = None,
    clock: Clock = time.perf_counter,
    checker: Checker = QUOTATIONS,
) -> Summary:
    """Ask every question of the suite, one after the other, and measure the answers.

    ``texts`` is source -> (document_id, canonical text) of the generation that ``ask`` answers from. ``context`` says
    what is measured: ``generation``, ``settings_hash``, ``model_fingerprint``, and whatever else should tell two runs
    apart. With ``out``, records.jsonl grows there case by case, and summary.json, junit.xml and report.html follow; a
    run of the same suite, documents and context that was interrupted there is continued, anything else replaced.

    ``checker`` judges sentences that are no quotations. A case whose ``ask`` raises is recorded as failed and counts
    as 0. Raises SuiteError when evidence is not found in ``texts``, before anything is asked or written, and OSError
    when ``out`` cannot be written."""
    resolved = resolve(suite, texts)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    records = ask_cases(
        resolved, ask=ask, context=context, out=out, on_progress=on_progress, clock=clock, checker=checker
    )
    summary = summarise(suite, records, context, started)
    if out is not None:
        write_reports(summary, records, out)
    return summary


def ask_cases(
    resolved: ResolvedSuite,
    *,
    ask: Ask,
    context: Mapping[str, str],
    out: Path | None = None,
    on_progress: Progress | None = None,
    clock: Clock = time.perf_counter,
    checker: Checker = QUOTATIONS,
) -> tuple[Record, ...]:
    """The records of all cases, in the suite's order; see run_suite."""
    key = run_key(resolved, context)
    done = _start(out, key, len(resolved.cases)) if out is not None else {}
    records: list[Record] = []
    for number, case in enumerate(resolved.cases, start=1):
        record = done.get(case.case.id)
        if record is None:
            record = run_case(
                case,
                ask=ask,
                corpus=resolved.corpus,
                generation=context.get("generation", ""),
                clock=clock,
                checker=checker,
            )
            if out is not None:
                append_record(out / RECORDS, record, key)
        else:  # measured anew: the answer is what took time, and the rules may have changed since
            record = judge(case, record, resolved.corpus, checker)
        records.append(record)
        if on_progress is not None:
            on_progress(number, len(resolved.cases), record)
    return tuple(records)


def _start(out: Path, key: str, n_cases: int) -> dict[str, Record]:
    """Make the folder ready: no reports of an earlier run, and a records file with nothing in it but whole records of
    this one. Returns these by case id."""
    out.mkdir(parents=True, exist_ok=True)
    for name in REPORTS:
        (out / name).unlink(missing_ok=True)
    done = unfinished_records(out / RECORDS, key, n_cases)
    replace_file(out / RECORDS, "".join(record_line(record, key) for record in done.values()))
    return done


def run_case(
    resolved: ResolvedCase,
    *,
    ask: Ask,
    corpus: Corpus,
    generation: str = "",
    clock: Clock = time.perf_counter,
    checker: Checker = QUOTATIONS,
) -> Record:
    """Ask one question and measure the answer. ``generation``, if given, is the one that must have answered: evidence
    is known for that one only."""
    case = resolved.case
    answer: Answer | None = None
    failure: Failure | None = None
    begin = clock()
    try:
        answer = ask(Question(case.question, case.messages, k=K, documents=case.documents, without=case.without))
    except Exception as error:  # noqa: BLE001 - whatever breaks an answer is this case's result; it is kept and counts as 0
        failure = Failure(type(error).__name__, str(error))
    elapsed_ms = round((clock() - begin) * 1000, 3)
    if answer is not None and generation not in ("", answer.generation):
        failure = Failure(
            "GenerationChanged", f"answered from generation {answer.generation!r} in a run over {generation!r}"
        )
    record = Record(case, resolved.evidence, answer, failure, elapsed_ms, measures={}, notes={}, passed=False)
    return judge(resolved, record, corpus, checker)


def judge(resolved: ResolvedCase, record: Record, corpus: Corpus, checker: Checker = QUOTATIONS) -> Record:
    """The record with its measures, notes and verdict worked out from answer and failure."""
    measures = measure_case(resolved, record.answer if record.failure is None else None, corpus, checker)
    passed = record.failure is None and all(measures[name] in (None, 1.0) for name in DECISIVE)
    notes = explain(resolved, record.answer, record.failure, corpus, checker)
    faults = ungrounded(record.answer, checker) if record.answer is not None else ()
    return replace(record, measures=measures, notes=notes, passed=passed, ungrounded=faults)
