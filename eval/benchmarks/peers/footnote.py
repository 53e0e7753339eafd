"""Footnote itself, timed as the others are: an index on disk, sealed, verified and published, then searched."""

from __future__ import annotations

from pathlib import Path

from index.build import build
from index.encode import load_encoder
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from index.search import make_query, search


class System:
    packages = ("footnote", "onnxruntime", "faiss-cpu", "tantivy")

    def __init__(self, model: str, work: str) -> None:
        self._work = Path(work)
        self._encoder = load_encoder(model, self._work / "encoders")

    def index(self, documents: list[tuple[str, str]]) -> int:
        """From the files, which are the documents' texts: a build reads them itself."""
        del documents
        data = self._work / "data"
        report = build(BuildOptions(self._work / "documents", data, full=True), self._encoder)
        name, digest = read_current(Layout(data))
        self._generation = Generation(Layout(data).generation(name), digest)
        return report.passages

    def retrieve(self, question: str, k: int) -> list[tuple[str, str]]:
        hits = search(self._generation, [make_query(question, self._encoder)], k=k)
        return [(hit.passage.document.source, hit.passage.text) for hit in hits]
