"""Benchmarks put together: each public set becomes a folder that is indexed, and a suite that is asked of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from api import terminal
from api.checkout import commit_of_code
from api.compose import Footnote
from api.evaluating import served
from api.settings import Settings
from eval.benchmarks import BENCHMARKS, Benchmark, Outcome, Result, load_benchmark, outcomes, tabulate, with_quoted
from eval.benchmarks.files import write_documents
from eval.benchmarks.grounding import GROUNDING, load_claims, measure_checker
from eval.evidence import resolve
from eval.run import ask_cases
from eval.types import Record, ResolvedSuite, Suite
from index.build import Progress
from index.encode import load_encoder
from index.files import replace_file
from index.generation import Layout
from index.types import Encoder
from rag.answer import AnswerOptions, final
from rag.types import Answer, Question


@dataclass(frozen=True, slots=True)
class Quality:
    """What ``footnote bench quality`` or ``checker`` found, and what it was found with."""

    commit: str  # of the checkout that ran, "+changes" when files differed from it; a version when it is none
    measured_at: str  # UTC, ISO 8601
    settings_hash: str
    model_fingerprint: str
    reader_fingerprint: str  # "" when the reader is off
    reranker_fingerprint: str  # "" when there is none
    quick: bool
    seconds: float
    sets: tuple[Result, ...]


def bench_quality(
    data: Path,
    settings: Settings,
    names: tuple[str, ...] = (),
    *,
    quick: bool = False,
    quiet: bool = False,
    encoder: Callable[[], Encoder] | None = None,
) -> Quality:
    """Measure the sets ``names`` (all when empty) from the files below ``data``.

    Folders, indexes and answers are kept in bench/ below the data folder of ``settings``: an index is built once, and
    a run that was interrupted goes on. No question is declined for its confidence, so that quotations are measured
    for all of them; abstention is worked out from the confidences. ``encoder`` is for tests, as in Footnote."""
    load = encoder or partial(load_encoder, settings.encoder, Layout(settings.data).encoders, settings.runtime)
    began, commit = time.monotonic(), commit_of_code()
    pools: dict[str, list[Outcome]] = {}
    sizes: dict[str, int] = {}
    results: list[Result] = []
    shared: dict[str, str] = {}
    for name in names or tuple(BENCHMARKS):
        benchmark = load_benchmark(name, data, quick=quick)
        found, shared = _ask(benchmark, settings, load, commit, quick=quick, quiet=quiet)
        results.append(tabulate(name, len(benchmark.documents), found, AnswerOptions().min_confidence))
        if benchmark.pooled:
            pools.setdefault(benchmark.pooled, []).extend(found)
            sizes[benchmark.pooled] = sizes.get(benchmark.pooled, 0) + len(benchmark.documents)
    results += [tabulate(pool, sizes[pool], found, AnswerOptions().min_confidence) for pool, found in pools.items()]
    quality = Quality(
        commit=commit,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        settings_hash=settings.settings_hash,
        model_fingerprint=shared["model_fingerprint"],
        reader_fingerprint=shared["reader_fingerprint"],
        reranker_fingerprint=shared["reranker_fingerprint"],
        quick=quick,
        seconds=round(time.monotonic() - began, 1),
        sets=tuple(results),
    )
    replace_file(settings.data / "bench" / "quality.json", json.dumps(asdict(quality), indent=1) + "\n")
    return quality


def bench_checker(
    data: Path, settings: Settings, names: tuple[str, ...] = (), *, quick: bool = False, quiet: bool = False
) -> Quality:
    """Measure the checker that the settings make on the grounding sets ``names`` (all when empty) below ``data``."""
    began, commit = time.monotonic(), commit_of_code()
    results: list[Result] = []
    with closing(Footnote(settings)) as footnote, terminal.progress(quiet=quiet) as progress:
        for name in names or tuple(GROUNDING):
            claims = load_claims(name, data, quick=quick)
            told = partial(_told, progress, name, len(claims))
            results.append(measure_checker(name, claims, footnote.checker, told))
        quality = Quality(
            commit=commit,
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            settings_hash=settings.settings_hash,
            model_fingerprint=footnote.encoder.fingerprint,
            reader_fingerprint=footnote.reader.fingerprint if footnote.reader else "",
            reranker_fingerprint="",
            quick=quick,
            seconds=round(time.monotonic() - began, 1),
            sets=tuple(results),
        )
    (settings.data / "bench").mkdir(parents=True, exist_ok=True)
    replace_file(settings.data / "bench" / "checker.json", json.dumps(asdict(quality), indent=1) + "\n")
    return quality


def _told(progress: Progress, name: str, total: int, done: int) -> None:
    progress(name, done, total)


def _ask(
    benchmark: Benchmark, settings: Settings, encoder: Callable[[], Encoder], commit: str, *, quick: bool, quiet: bool
) -> tuple[list[Outcome], dict[str, str]]:
    folder = settings.data / "bench" / (benchmark.name + ("-quick" if quick else ""))
    write_documents(folder / "documents", {name: text.encode() for name, text in benchmark.documents.items()})
    footnote = Footnote(
        settings.model_copy(update={"source": folder / "documents", "data": folder / "index", "min_confidence": 0.0}),
        encoder=encoder,
    )
    try:
        with terminal.progress(quiet=quiet) as progress:
            # The folder holds this set alone: what another draw of it left there is to go.
            footnote.rebuild(partial(_named, progress, benchmark.name), confirm_deletions=True)
            texts, context = served(footnote)
            resolved = resolve(_suite(benchmark, folder / "documents"), texts)

            def ask(some: ResolvedSuite, sentences: int, run: str) -> tuple[Record, ...]:
                return ask_cases(
                    some,
                    ask=partial(_answer, footnote, benchmark.passages, sentences),
                    context={**context, "commit": commit, "sentences": str(sentences)},
                    out=folder / run,
                    on_progress=lambda done, total, _: progress(f"{benchmark.name}: asking", done, total),
                )

            found = outcomes(benchmark, resolved, ask(resolved, 0, "run"))
            answerable = replace(resolved, cases=tuple(case for case in resolved.cases if case.case.answerable))
            for sentences in benchmark.quoting:
                records = ask(answerable, sentences, f"run-{sentences}")
                found = with_quoted(found, benchmark, answerable, records, sentences)
    finally:
        footnote.close()
    return found, context


def _named(progress: Progress, name: str, phase: str, done: int, total: int) -> None:
    progress(f"{name}: {phase}", done, total)


def _answer(footnote: Footnote, passages: int, sentences: int, question: Question) -> Answer:
    return final(footnote.ask(replace(question, k=passages, sentences=sentences, mode="extractive")))


def _suite(benchmark: Benchmark, source: Path) -> Suite:
    digest = sha256(repr((benchmark.cases, benchmark.passages)).encode()).hexdigest()
    return Suite(benchmark.name, str(source), Path(), benchmark.cases, (), digest)
