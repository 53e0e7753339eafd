"""``footnote bench query``: how fast a server searches and answers, alone and under load."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from api.speed.builds import timed_build
from api.speed.child import in_child
from api.speed.reports import Bench
from api.speed.server import COMMAND, Load, Served, ask_all, serve
from eval.benchmarks.files import write_documents
from eval.benchmarks.speed.text import read_text
from eval.benchmarks.speed.types import Panel, SpeedReport, Table, mebibytes, number, spread
from index.errors import SourceError
from index.generation import Layout

CLIENTS = (1, 2, 32)
_WARM = 20  # requests before those that are timed


def bench_query(
    bench: Bench,
    data: Path,
    *,
    requests: int = 200,
    clients: Sequence[int] = CLIENTS,
    starts: int = 3,
    command: Sequence[str] = COMMAND,
) -> SpeedReport:
    """Serve an index of the documents in ``data`` and ask it ``requests`` times at each number of ``clients``; start
    it ``starts`` times and ask one question. ``command`` is for tests: what runs a server."""
    text = read_text(data, bench.settings.data)
    if not text.questions:
        raise SourceError(f"No sentence of {data} can be asked.", remedy="Name a folder with running text with --data.")
    work = bench.folder / "query-work"
    shutil.rmtree(work, ignore_errors=True)  # of another folder, as a rule
    write_documents(work / "documents", text.files)
    share_encoders(bench, work / "data")
    bench.told("building", 0, 1)
    built = in_child(timed_build, bench.options(work / "documents", work / "data"), bench.load).value
    questions = list(islice(cycle(asked.question for asked in text.questions), requests))
    runtime = f"FOOTNOTE_RUNTIME={bench.settings.runtime}"
    served = partial(serve, work / "documents", work / "data", work / "server.log", command=command)
    firsts = [_first_answer_s(partial(served, [runtime]), questions[0]) for _ in range(starts)]
    loads: dict[str, list[Load]] = {}
    memory: dict[str, dict[str, int]] = {}
    for reader in (True, False):
        name = "ask, reader on" if reader else "ask, reader off"
        with served([runtime, f"FOOTNOTE_READER={str(reader).lower()}"]) as server:
            memory[name] = {"started": server.resident()[1]}
            if reader:
                loads["search"] = _loads(bench, server, "search", "query", questions, clients)
            loads[name] = _loads(bench, server, "ask", "question", questions, clients)
            peak, now = server.resident()
            memory[name] |= {"after": now, "most": peak}
    values: dict[str, Any] = {
        "text": {
            "name": text.name,
            "files": len(text.files),
            "characters": text.characters,
            "passages": built.passages,
        },
        "loads": {name: [asdict(load) for load in some] for name, some in loads.items()},
        "first_answer_s": asdict(spread(firsts)),
        "memory_bytes": memory,
    }
    rows = [
        (
            name,
            str(load.clients),
            *(number(value) for value in (load.latency.p50_ms, load.latency.p95_ms, load.latency.p99_ms)),
            number(load.per_second),
            f"{load.errors} of {load.requests}",
        )
        for name, some in loads.items()
        for load in some
    ]
    title = f"{text.name}: {built.passages} passages; {requests} requests a row"
    tables = [
        Table(title, ("what", "clients", "p50 ms", "p95 ms", "p99 ms", "a second", "errors"), tuple(rows)),
        Table(
            "The server's process",
            ("measure", "value"),
            (
                ("from its start to the first answer, s", str(spread(firsts))),
                *(
                    (f"memory, MB: {name}", ", ".join(f"{when} {mebibytes(size)}" for when, size in sizes.items()))
                    for name, sizes in memory.items()
                ),
            ),
        ),
    ]
    panels = [
        Panel("Median time, one client", "ms", tuple((name, some[0].latency.p50_ms) for name, some in loads.items())),
        Panel(
            f"Answered a second, {clients[-1]} clients",
            "",
            tuple((name, some[-1].per_second) for name, some in loads.items()),
        ),
    ]
    notes = ["Clients run on the same cores as the server, and take a part of them."]
    return bench.finish("query", values, tables, panels, notes)


def share_encoders(bench: Bench, data: Path) -> None:
    """Let ``data`` use the exported models that the settings' data folder has, instead of exporting its own."""
    kept, shared = Layout(bench.settings.data).encoders.resolve(), Layout(data).encoders
    data.mkdir(parents=True, exist_ok=True)
    if kept.is_dir() and not shared.exists():
        shared.symlink_to(kept, target_is_directory=True)


def _first_answer_s(start: Any, question: str) -> float:
    began = time.perf_counter()
    with start() as server:
        ask_all(server.port, "/v1/ask", [json.dumps({"question": question}).encode()], 1)
        return time.perf_counter() - began


def _loads(
    bench: Bench, server: Served, route: str, field: str, questions: Sequence[str], clients: Sequence[int]
) -> list[Load]:
    bodies = [json.dumps({field: question}).encode() for question in questions]
    ask_all(server.port, f"/v1/{route}", bodies[:_WARM], 1)
    found: list[Load] = []
    for done, count in enumerate(clients):
        bench.told(f"{route}, {count} clients", done, len(clients))
        found.append(ask_all(server.port, f"/v1/{route}", bodies, count))
    return found
