"""Footnote itself, timed as the others are: an index on disk, sealed, verified and published, then searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from index.build import build
from index.encode import load_encoder
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from index.search import make_query, search


class System:
    packages = ("footnote", "onnxruntime", "faiss-cpu", "tantivy")

    def __init__(self, job: dict[str, Any]) -> None:
        self._folder, self._data = Path(job["folder"]), Path(job["work"])
        self._encoder = load_encoder(job["model"], Layout(self._data).encoders, job["runtime"])

    def index(self, documents: list[tuple[str, str]]) -> int:
        """From the files, which are the documents' texts: a build reads them itself."""
        del documents
        options = BuildOptions(self._folder, self._data, full=True, confirm_deletions=True)  # of a text before this one
        report = build(options, self._encoder)
        name, digest = read_current(Layout(self._data))
        self._generation = Generation(Layout(self._data).generation(name), digest)
        return report.passages

    def retrieve(self, question: str, k: int) -> list[tuple[str, str]]:
        hits = search(self._generation, [make_query(question, self._encoder)], k=k)
        return [(hit.passage.document.source, hit.passage.text) for hit in hits]
