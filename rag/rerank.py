"""A cross-encoder of the user's choice, which orders the passages found anew. Off unless a setting names one.

It sees the question beside each passage's title and text, so it
tells better than two vectors whether one answers the other, and takes a pass of the model for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from index.generation import Generation
from index.search import Query, search
from index.types import Hit
from rag.cross_encoder import fingerprint_of, load
from rag.errors import RerankerError
from rag.select import path_above

CANDIDATES = 30  # passages that are looked at, however few are wanted


class Reranker(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same question and passage could be scored differently."""

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage fits, higher is better, each by itself. Safe to call from threads."""


def find(
    question: str,
    queries: Sequence[Query],
    generation: Generation,
    reranker: Reranker | None,
    *,
    k: int,
    documents: Sequence[str] | None = None,
    without: Sequence[str] = (),
) -> list[Hit]:
    """The ``k`` best passages for ``question``, searched for as ``queries``, ordered by ``reranker`` when given."""
    if reranker is None:
        return search(generation, queries, k=k, documents=documents, without=without)
    hits = search(generation, queries, k=max(k, CANDIDATES), documents=documents, without=without)
    return rerank(question, hits, reranker, k)


def rerank(question: str, hits: Sequence[Hit], reranker: Reranker, k: int) -> list[Hit]:
    """The ``k`` best of ``hits`` as ``reranker`` sees it, its score in place of theirs; equals stay in order."""
    texts = ["\n".join(filter(None, (path_above(hit.passage), hit.passage.text))) for hit in hits]
    scores = reranker.scores(question, texts)
    scored = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)[:k]


class CrossEncoderReranker:
    """A model that sentence-transformers' CrossEncoder loads: a folder, or a hub name already in the local cache."""

    def __init__(self, name: str) -> None:
        """Takes seconds: it imports torch. Raises RerankerError when there is no such model or it does not rank."""
        remedy = "Name a folder that holds a CrossEncoder of sentence-transformers, or unset FOOTNOTE_RERANKER."
        self._model = load(name, what="reranker", error=RerankerError, remedy=remedy)
        if self._model.num_labels != 1:
            raise RerankerError(
                f"The reranker {name!r} gives {self._model.num_labels} scores a pair, not one.",
                remedy="Name a model that was trained to rank.",
            )
        self.name = name
        self.fingerprint = fingerprint_of(self._model)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        pairs = [(question, passage) for passage in passages]
        found = self._model.predict(pairs, batch_size=8, show_progress_bar=False, convert_to_numpy=True)
        return [float(score) for score in found]
