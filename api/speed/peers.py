"""``footnote bench peers``: other systems and Footnote over the same text, in turns, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from api.speed.environments import NotRun, last_line, make_environment
from api.speed.querying import share_encoders
from api.speed.reports import Bench
from eval.benchmarks.files import write_documents
from eval.benchmarks.speed.evidence import BUDGET_CHARS, Found, evidence_found
from eval.benchmarks.speed.machine import load_average
from eval.benchmarks.speed.peers import FOOTNOTE, PEERS, SCRIPTS, Peer, footnote_on
from eval.benchmarks.speed.text import Asked, read_text
from eval.benchmarks.speed.types import Panel, SpeedReport, Spread, Table, latency, mebibytes, number, spread
from index.encode import DEFAULT_MODEL, Runtime
from index.errors import NotFound

_K = 10  # retrieved for a question that is timed
_EVIDENCE_K = 40  # retrieved where evidence is looked for; the budget of characters is reached before
_RUN_S = 3600
_OFFLINE = ("HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HAYSTACK_TELEMETRY_ENABLED=False")

Prepare = Callable[[], tuple[Sequence[str], str]]
"""The interpreter, with its options, that runs a system's script, and the model that it is given. Raises NotRun."""


@dataclass(slots=True)
class Measured:
    """One system over the rounds so far."""

    peer: Peer
    rounds: list[dict[str, Any]] = field(default_factory=list)  # what eval/benchmarks/peers/run.py says
    found: Found | None = None  # None where no gold text is known
    reason: str = ""  # why it was not measured; "" when it was


def bench_peers(
    bench: Bench,
    data: Path,
    names: Sequence[str] = (),
    *,
    runtimes: Sequence[Runtime] = (),
    rounds: int = 2,
    timed: int = 200,
    quick: bool = False,
    systems: Mapping[Peer, Prepare] | None = None,
) -> SpeedReport:
    """Measure the systems ``names`` (all when empty) on the documents in ``data``, ``rounds`` times in turns. A system
    that cannot be installed or run is reported with the reason. ``quick`` takes a part of the set chunking_eval.
    Footnote takes part as the settings have it, and once more on each of ``runtimes``. ``systems`` is for tests: the
    others are compared with the first of them, and with those that have a runtime."""
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise NotFound(f"There is no system {unknown[0]!r}.", remedy=f"Systems there are: {', '.join(PEERS)}.")
    text = read_text(data, bench.settings.data, quick=quick)
    files = _flat(text.plain)
    folder = (bench.folder / "peers").resolve()  # each system runs in a folder of its own
    documents = folder / "documents"
    write_documents(documents, {name: content.encode() for name, content in files.items()})
    chosen = systems or _systems(bench, folder, names, runtimes)
    prepared: dict[str, tuple[Sequence[str], str]] = {}
    measured = [Measured(peer) for peer in chosen]
    for done, one in enumerate(measured):
        bench.told("preparing", done, len(measured))
        try:
            prepared[one.peer.name] = chosen[one.peer]()
        except NotRun as problem:
            one.reason = str(problem)
    about_text = {
        "name": text.name,
        "files": len(files),
        "characters": text.characters,
        "questions": len(text.questions),
    }
    report = _report(bench, about_text, measured)
    for turn in range(rounds):
        for one in measured:
            if one.reason:
                continue
            bench.told(f"round {turn + 1}: {one.peer.title}", 0, 1)
            work = folder / one.peer.name
            try:
                _round(one, turn, prepared[one.peer.name], documents, work, text.questions, files, timed)
            except NotRun as problem:
                one.reason = str(problem)
        report = _report(bench, about_text, measured)  # written after each round: a run that is stopped leaves some
    return report


def _flat(plain: Mapping[str, str]) -> dict[str, str]:
    """File name -> text: a source that is none gets one."""
    return {
        source if source.endswith(".txt") and "/" not in source else f"{number:05d}-{Path(source).name}.txt": text
        for number, (source, text) in enumerate(plain.items())
    }


def _systems(bench: Bench, folder: Path, names: Sequence[str], runtimes: Sequence[Runtime]) -> dict[Peer, Prepare]:
    own = [replace(FOOTNOTE, runtime=bench.settings.runtime), *map(footnote_on, runtimes)]
    chosen: dict[Peer, Prepare] = {one: partial(_own, bench, folder / one.name) for one in own}
    for name in names or PEERS:
        chosen[PEERS[name]] = partial(_other, PEERS[name], folder / name)
    return chosen


def _own(bench: Bench, folder: Path) -> tuple[Sequence[str], str]:
    share_encoders(bench, folder)
    return (sys.executable, "-P"), DEFAULT_MODEL


def _other(peer: Peer, folder: Path) -> tuple[Sequence[str], str]:
    python, model = make_environment(peer, folder)
    return (str(python), "-I"), str(model)  # -I: Footnote's own modules are not on its path


def _round(
    one: Measured,
    turn: int,
    prepared: tuple[Sequence[str], str],
    documents: Path,
    work: Path,
    questions: Sequence[Asked],
    files: Mapping[str, str],
    timed: int,
) -> None:
    interpreter, model = prepared
    work.mkdir(parents=True, exist_ok=True)
    gold = [asked.gold for asked in questions]
    look = turn == 0 and any(gold)  # what is retrieved is the same every time
    job = {
        "model": model,
        "runtime": one.peer.runtime,
        "folder": str(documents),
        "work": str(work),
        "questions": [asked.question for asked in questions],
        "timed": timed,
        "k": _K,
        "evidence_k": _EVIDENCE_K,
        "budget": BUDGET_CHARS if look else 0,
    }
    load_before = load_average()
    result = run_script(interpreter, one.peer.script, job, work) | {"load_before": load_before}
    retrieved = result.pop("retrieved")
    if look:
        one.found = evidence_found(gold, retrieved, files)
    one.rounds.append(result)


def run_script(interpreter: Sequence[str], script: Path, job: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """What a system's script says of a job. Raises NotRun when it fails, or says nothing that is understood."""
    log = work / "run.log"
    with log.open("w", encoding="utf-8") as stderr:
        try:
            run = subprocess.run(  # noqa: S603 - scripts of our own
                ("env", *_OFFLINE, *interpreter, str(SCRIPTS / "run.py"), str(script)),  # noqa: S607 - env is everywhere
                input=json.dumps(job),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=work,
                timeout=_RUN_S,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise NotRun(f"It was not done within {_RUN_S} s.") from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotRun(f"It failed: {last_line(log)}") from error
    try:
        found: dict[str, Any] = json.loads(run.stdout)
    except ValueError as error:
        raise NotRun(f"What it said is not JSON: {run.stdout[:100]!r}") from error
    return found


# -- what came of it -------------------------------------------------------------------------------------------------


def _rate(result: dict[str, Any]) -> float:
    return float(result["characters"]) / 1000 / float(result["index_s"])


def _median_ms(result: dict[str, Any]) -> float:
    return latency(result["query_s"]).p50_ms


def ratios(one: Measured, other: Measured, value: Callable[[dict[str, Any]], float]) -> Spread:
    """``one``'s value over ``other``'s, of each round that both have."""
    return spread(value(mine) / value(its) for mine, its in zip(one.rounds, other.rounds, strict=False))


def _report(bench: Bench, text: dict[str, Any], measured: Sequence[Measured]) -> SpeedReport:
    ours = [one for one in measured if (one is measured[0] or one.peer.runtime) and one.rounds]
    rows: list[tuple[str, ...]] = []
    values: dict[str, Any] = {}
    for one in measured:
        if one.reason or not one.rounds:
            values[one.peer.name] = {"settings": one.peer.settings, "not_run": one.reason}
            rows.append((one.peer.title, "not run", "", "", "", "", *[""] * (2 * len(ours))))
            continue
        rate, median = spread(map(_rate, one.rounds)), spread(map(_median_ms, one.rounds))
        peak = max(int(result["peak_rss"]) for result in one.rounds)
        values[one.peer.name] = {
            "settings": one.peer.settings,
            "versions": one.rounds[0]["versions"],
            "parts": one.rounds[0]["parts"],
            "rate_kchars_s": asdict(rate),
            "query_p50_ms": asdict(median),
            "evidence": asdict(one.found) if one.found else None,
            "peak_rss_bytes": peak,
            "rounds": [
                {name: result[name] for name in ("load_before", "load_s", "index_s", "index_peak_rss", "peak_rss")}
                | {"query": asdict(latency(result["query_s"]))}
                for result in one.rounds
            ],
        }
        others = [mine for mine in ours if mine is not one]
        faster = {mine.peer.name: ratios(mine, one, _rate) for mine in others}
        slower = {mine.peer.name: ratios(mine, one, _median_ms) for mine in others}
        values[one.peer.name]["rate_over_its"] = {name: asdict(ratio) for name, ratio in faster.items()}
        values[one.peer.name]["p50_over_its"] = {name: asdict(ratio) for name, ratio in slower.items()}
        evidence = (f"{one.found.whole:.3f}", f"{one.found.recall:.3f}") if one.found else ("-", "-")
        rows.append(
            (
                one.peer.title,
                number(rate.median),
                *(str(faster.get(mine.peer.name, "")) for mine in ours),
                number(median.median),
                *(str(slower.get(mine.peer.name, "")) for mine in ours),
                *evidence,
                mebibytes(peak),
            )
        )
    over = [f"{mine.peer.title} over it" for mine in ours]
    columns = ("system", "kchar/s", *over, "p50 ms", *over, "found", "recall", "MB")
    loads = [result["load_before"] for one in measured for result in one.rounds]
    turns = max((len(one.rounds) for one in measured), default=0)
    title = f"{text['name']}: {text['characters']:,} characters in {text['files']} files; {turns} rounds in turns"
    notes = [
        "kchar/s: thousand characters of text indexed a second. p50: the median query. MB: memory at most. A process "
        "each, the same encoder; loading libraries and model is not timed.",
        f"Running or waiting processes before each: {min(loads, default=0):g} to {max(loads, default=0):g}.",
        "Over it: a value over the system's in the same round; the median of the rounds, and their range.",
        f"found: share of questions of which a gold text is whole within the first {BUDGET_CHARS:,} characters "
        "retrieved. recall: share of gold characters there.",
        *(f"{one.peer.title}: {one.peer.settings}." for one in measured),
        *(f"{one.peer.title} was not run. {one.reason}" for one in measured if one.reason),
    ]
    ran = [one for one in measured if one.rounds and not one.reason]
    panels = [
        Panel(
            "Text indexed, thousand characters/s",
            "",
            tuple((one.peer.title, values[one.peer.name]["rate_kchars_s"]["median"]) for one in ran),
        ),
        Panel(
            "Time of a query, median",
            "ms",
            tuple((one.peer.title, values[one.peer.name]["query_p50_ms"]["median"]) for one in ran),
        ),
    ]
    if any(one.found for one in ran):
        shares = tuple((one.peer.title, one.found.whole) for one in ran if one.found)
        panels.append(Panel(f"Evidence found within {BUDGET_CHARS:,} characters, share of questions", "", shares))
    return bench.finish("peers", {"text": text, "systems": values}, [Table(title, columns, tuple(rows))], panels, notes)
