"""A question, as text and vector, to ranked passages.

Candidates come from FAISS (nearest passages) and from tantivy (BM25). Each is scored by three signals: the cosine of
the passage, the cosine of its best sentence, and BM25; each signal is standardised over the candidates, and the three
are summed. On SQuAD's 2,067 dev paragraphs this sum finds the right one first for .83 of the questions, where BM25
alone does for .77 and the passage cosine alone for .62.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.generation import Generation
from index.lexical import content_terms
from index.types import Encoder, Hit, Signals, Vector

DEPTH = 100  # candidates from each index; 50 to 100 lose nothing against all


@dataclass(frozen=True, slots=True)
class Query:
    """One way of putting the question. Several are scored apart and summed by weight."""

    text: str
    vector: Vector  # (dim,) float32, unit length
    terms: tuple[str, ...]  # for BM25
    weight: float = 1.0


def make_query(text: str, encoder: Encoder, weight: float = 1.0) -> Query:
    return Query(text, encoder.encode_query(text), tuple(content_terms(text)), weight)


def search(
    generation: Generation,
    queries: Sequence[Query],
    *,
    k: int,
    documents: Sequence[str] | None = None,
    depth: int = DEPTH,
) -> list[Hit]:
    """The ``k`` best passages, best first, among the documents with these ids when given.

    Signals and sentence scores of a hit are means over the queries, by weight."""
    among = generation.store.rows_of(documents) if documents is not None else None
    rows = sorted({row for query in queries for row in _candidates(generation, query, depth, among)})
    if not rows:
        return []
    passages = generation.store.passages(rows, documents or ())
    spans = [(passage.sentences[0].row, passage.sentences[-1].row + 1) for passage in passages]
    dense_rows = generation.vectors.rows(rows)  # (n, dim)
    sentence_rows = [generation.sentences.rows(start, end) for start, end in spans]  # n times (n_sentences, dim)
    total, mean_dense, mean_lexical = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    mean_sentence = [np.zeros(len(vectors)) for vectors in sentence_rows]
    weight = sum(query.weight for query in queries)
    for query in queries:
        dense = np.asarray(dense_rows @ query.vector, dtype=np.float64)  # (n,)
        per_sentence = [np.asarray(vectors @ query.vector, dtype=np.float64) for vectors in sentence_rows]
        best = np.array([scores.max() for scores in per_sentence])
        found = dict(generation.lexical.search(query.terms, len(rows), rows))
        lexical = np.array([found.get(row, 0.0) for row in rows])
        total += query.weight * (standardise(dense) + standardise(best) + standardise(lexical))
        share = query.weight / weight
        mean_dense += share * dense
        mean_lexical += share * lexical
        for mean, scores in zip(mean_sentence, per_sentence, strict=True):
            mean += share * scores
    order = sorted(range(len(rows)), key=lambda i: (-total[i], rows[i]))[:k]
    return [
        Hit(
            passages[i],
            float(total[i]),
            Signals(float(mean_dense[i]), float(mean_sentence[i].max()), float(mean_lexical[i])),
            tuple(float(score) for score in mean_sentence[i]),
        )
        for i in order
    ]


def standardise(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``scores`` (n,) with mean 0 and deviation 1; all zero when they do not differ."""
    deviation = scores.std()
    if deviation < 1e-9:
        return np.zeros_like(scores)
    return np.asarray((scores - scores.mean()) / deviation)


def _candidates(generation: Generation, query: Query, depth: int, among: Sequence[int] | None) -> set[int]:
    dense = generation.vectors.search(query.vector, depth, among)
    lexical = generation.lexical.search(query.terms, depth, among)
    return {row for row, _ in dense} | {row for row, _ in lexical}
