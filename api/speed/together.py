"""``footnote bench all``: every speed benchmark in one run, and which of the bars are met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from api.settings import Settings
from api.speed.indexing import bench_index
from api.speed.limits import bench_limit
from api.speed.peers import bench_peers
from api.speed.querying import bench_query
from api.speed.reports import Bench, Told, start
from api.speed.scaling import bench_scale
from eval.benchmarks.speed.bars import DEFAULT, Bar, bars
from eval.benchmarks.speed.types import Panel, SpeedReport, Table, number
from index.encode import Runtime

_PEERS = ("langchain", "txtai")  # those that there are bars for
_ROUNDS = 3  # the median of them: one in which the machine was slow does not tell


def bench_all(
    settings: Settings, data: Path, runtimes: Sequence[Runtime] = (), *, told: Told = lambda *_: None
) -> SpeedReport:
    """Each benchmark as it is by itself, over the documents in ``data``: with the runtime that the settings name, and
    what concerns the encoder on each of ``runtimes`` too. Vectors of scale are synthetic: real ones take hours."""
    benches = {DEFAULT: start(settings, told=told)}
    benches |= {name: start(settings.model_copy(update={"runtime": name}), told=told) for name in runtimes}
    first = benches[DEFAULT]
    return summary(
        first,
        {
            "peers": {DEFAULT: bench_peers(first, data, _PEERS, runtimes=runtimes, rounds=_ROUNDS)},
            "query": _on_each(benches, lambda bench: bench_query(bench, data)),
            "limit": _on_each(benches, lambda bench: bench_limit(bench, data)),
            "index": _on_each(benches, lambda bench: bench_index(bench, data)),
            "scale": {DEFAULT: bench_scale(first, data, synthetic=True)},
        },
    )


def _on_each(benches: dict[str, Bench], measure: Callable[[Bench], SpeedReport]) -> dict[str, SpeedReport]:
    return {runtime: measure(bench) for runtime, bench in benches.items()}


def summary(bench: Bench, reports: dict[str, dict[str, SpeedReport]]) -> SpeedReport:
    """What every report says, and each bar beside what was measured."""
    values: dict[str, Any] = {
        name: {runtime: report.values for runtime, report in some.items()} for name, some in reports.items()
    }
    found = bars(values)
    tables = [table for some in reports.values() for report in some.values() for table in report.tables]
    notes = dict.fromkeys(note for some in reports.values() for report in some.values() for note in report.notes)
    rows = tuple((bar.what, _limit(bar), _measured(bar), "yes" if bar.met else "NO") for bar in found)
    tables.append(Table("Bars", ("what", "bar", "measured", "met"), rows))
    values["bars"] = [
        {"what": bar.what, "limit": bar.limit, "at_least": bar.at_least, "measured": bar.measured, "met": bar.met}
        for bar in found
    ]
    panel = Panel("Bars", "", (("met", float(sum(bar.met for bar in found))), ("of", float(len(found)))))
    return bench.finish("all", values, tables, [panel], tuple(notes))


def _limit(bar: Bar) -> str:
    return f"at {'least' if bar.at_least else 'most'} {bar.limit:,g}"


def _measured(bar: Bar) -> str:
    return "not measured" if bar.measured is None else number(bar.measured)
