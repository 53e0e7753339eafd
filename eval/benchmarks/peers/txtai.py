"""txtai: paragraphs as they are given to it, dense and BM25 together."""

from __future__ import annotations

import re
from typing import Any

from txtai import Embeddings

_PARAGRAPHS = re.compile(r"\n\s*\n|\n")


class System:
    packages = ("txtai", "sentence-transformers", "faiss-cpu", "torch")

    def __init__(self, job: dict[str, Any]) -> None:
        self._embeddings = Embeddings(path=job["model"], method="sentence-transformers", hybrid=True, content=True)

    def index(self, documents: list[tuple[str, str]]) -> int:
        parts = [
            (source, paragraph.strip())
            for source, text in documents
            for paragraph in _PARAGRAPHS.split(text)
            if paragraph.strip()
        ]
        self._sources = [source for source, _ in parts]
        self._embeddings.index((i, text, None) for i, (_, text) in enumerate(parts))
        return len(parts)

    def retrieve(self, question: str, k: int) -> list[tuple[str, str]]:
        found = self._embeddings.search(question, k)
        return [(self._sources[int(hit["id"])], hit["text"]) for hit in found]
