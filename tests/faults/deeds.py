"""What a process of tests.faults.builders can do to a data folder; for null controls, also how it is done badly."""

from __future__ import annotations

import io
import socket
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from index import build as building
from index import generation, vector_writer
from index.generation import Layout, adopt, collect, publish, read_current, writer_lock
from index.ingest import BuildOptions
from tests.fakes import FakeEncoder
from tests.faults.syscalls import hand_over

Told = dict[str, Any]


def build(source: Path, data: Path, *, slow_s: float = 0.0, **options: Any) -> Told:
    """A build; with ``slow_s``, it takes so long at every step it tells of."""
    chosen = BuildOptions(source, data, **{"threads": 1, **options})
    report = building.build(chosen, FakeEncoder(), lambda *_: time.sleep(slow_s) if slow_s else None)
    return {"generation": report.generation, "published": report.published}


def gc(source: Path, data: Path) -> Told:
    """As footnote generations gc."""
    layout = Layout(data)
    with writer_lock(layout):
        live = read_current(layout)[0]
        collect(layout, live)
    return {"generation": live, "published": False}


def command(source: Path, data: Path, *, arguments: list[str]) -> Told:
    """The command line; its exit code, and what it says on stderr."""
    from api.cli import main

    said = io.StringIO()
    sys.argv = ["footnote", *arguments]
    with redirect_stderr(said):
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
    return {"error": f"exit code {code}", "message": said.getvalue()}


def watched_encoder(door: str) -> FakeEncoder:
    """Loaded in a build's process: from then on whoever listens at ``door`` answers for what it writes."""
    if parent_process() is None:  # the server's own
        return FakeEncoder()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(door)
        hand_over(channel)
    return FakeEncoder()


# -- null controls: the process is forked, so nothing of this lasts ----------------------------------------------------


def build_hastily(source: Path, data: Path, *, gap_s: float = 0.0, **options: Any) -> Told:
    """CURRENT is replaced before the generation is in its place, by so many seconds."""
    waiting: list[Callable[[], None]] = []

    def adopt_later(layout: Layout, staged: Path, name: str) -> None:
        waiting.append(lambda: adopt(layout, staged, name))

    def publish_first(layout: Layout, name: str, digest: str) -> None:
        publish(layout, name, digest)
        time.sleep(gap_s)
        waiting.pop()()

    vars(building).update(adopt=adopt_later, publish=publish_first)
    return build(source, data, **options)


def build_deaf_to_errors(source: Path, data: Path, **options: Any) -> Told:
    """Whoever writes the vectors does not hear that the disk is full, and leaves the file as it is."""
    write = vector_writer._write_rows

    def write_as_far_as_it_goes(path: Path, kind: str, rows: vector_writer.Rows) -> None:
        with suppress(OSError):
            write(path, kind, rows)

    vars(vector_writer)["_write_rows"] = write_as_far_as_it_goes
    return build(source, data, **options)


def build_among_leftovers(source: Path, data: Path, **options: Any) -> Told:
    """Nobody sweeps away what an interrupted build has left."""
    vars(building)["sweep"] = vars(generation)["sweep"] = lambda _: None
    return build(source, data, **options)


def build_unlocked(source: Path, data: Path, **options: Any) -> Told:
    """Nobody asks whether another process writes."""
    vars(building)["writer_lock"] = lambda _: nullcontext()
    return build(source, data, **options)
