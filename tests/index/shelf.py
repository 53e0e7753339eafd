"""A folder of documents and the index over it, as the tests of builds and generations use them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from index.build import build
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from index.live import Library
from index.search import make_query, search
from index.types import Hit, IngestReport
from tests.fakes import FakeEncoder

TIDES = "The tide turns at noon. Boats wait for it in the inner basin.\n"
LAMPS = "The lamp was lit in 1925. Its keeper climbs ninety steps.\n"
BROKEN_PDF = b"%PDF-1.7\nand then nothing of the kind"
ROPES = "Ropes are made of hemp. A new rope is stretched for a week.\n"


@dataclass
class Shelf:
    """Every build is made with a fresh encoder, as a new process would; ``embedded`` is what the last one embedded."""

    source: Path
    data: Path
    embedded: list[str] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        return Layout(self.data)

    @property
    def live(self) -> str:
        return read_current(self.layout)[0]

    @property
    def live_folder(self) -> Path:
        return self.layout.generation(self.live)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def options(self, **options: Any) -> BuildOptions:
        return BuildOptions(self.source, self.data, **{"threads": 1, **options})

    def build(self, encoder: FakeEncoder | None = None, **options: Any) -> IngestReport:
        encoder = encoder or FakeEncoder()
        try:
            return build(self.options(**options), encoder)
        finally:
            self.embedded = sorted(encoder.encoded)

    @contextmanager
    def open(self) -> Iterator[Generation]:
        generation = Generation(self.layout.generation(self.live), read_current(self.layout)[1])
        try:
            yield generation
        finally:
            generation.close()

    def ask(self, question: str, k: int = 10) -> list[Hit]:
        with self.open() as generation:
            return search(generation, [make_query(question, FakeEncoder())], k=k)

    def signals(self, question: str) -> dict[str, tuple[float, ...]]:
        """Every passage found by its id, with its signals: passage, sentence, coverage, BM25."""
        with self.open() as generation:
            hits = search(generation, [make_query(question, FakeEncoder())], k=1_000, depth=1_000)
            return {hit.passage.passage_id: astuple(hit.signals) for hit in hits}

    def texts(self) -> dict[str, str]:
        """Source and canonical text of every document indexed."""
        with self.open() as generation:
            return {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of the data folder with its size and time, but for locks and leases."""
        return {
            path.relative_to(self.data).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(self.data.rglob("*"))
            if path.is_file() and path.name != "writer.lock" and path.parent.name != "leases"
        }


def open_files(below: Path) -> int:
    """How many file descriptors of this process lead below a folder; other tests may hold some elsewhere."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile: the listing's own
            path = descriptor.readlink()
            # tantivy's threads hold a lock for a moment after it has been opened.
            found += path.is_relative_to(below) and path.suffix != ".lock"
    return found


def counts(report: IngestReport) -> IngestReport:
    """The report, but for what a plan cannot know."""
    return replace(report, generation="", published=False, seconds=0.0)


@contextmanager
def library(shelf: Shelf, encoder: str = "fake") -> Iterator[Library]:
    opened = Library(shelf.data, encoder=encoder)
    try:
        yield opened
    finally:
        opened.close()


def served(opened: Library) -> tuple[str, list[str]]:
    """Name of the generation served, and what it finds about nets."""
    with opened.pin() as generation:
        hits = search(generation, [make_query("Who mended the nets?", FakeEncoder())], k=1)
        return generation.name, [hit.passage.document.source for hit in hits]


def grow(shelf: Shelf, times: int) -> None:
    for number in range(times):
        shelf.write("log.txt", f"Entry {number} of the log, on day {time.monotonic_ns()}.")
        shelf.build()
