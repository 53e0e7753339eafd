"""A question, as text and vector, to ranked passages.

Candidates come from FAISS (nearest passages) and from tantivy (BM25). Each is scored by four signals: the cosine of
the passage, the cosine of its best sentence, the share of the query's words that it covers, and BM25; each signal is
standardised over the candidates, and they are summed by weight. docs/quality.md has what each adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from index.errors import CorruptGeneration, EncoderError
from index.generation import Generation
from index.lexical import content_terms
from index.manifest import REBUILD
from index.types import Encoder, Hit, Signals, Vector

DEPTH = 100  # candidates from each index; 50 to 100 lose nothing against all

# Chosen on the even halves of four sets (docs/quality.md). BM25 counts half because coverage says most of what it says.
WEIGHTS = Signals(dense=1.0, sentence=1.0, coverage=1.0, lexical=0.5)


@dataclass(frozen=True, slots=True)
class Query:
    """One way of putting the question. Several are scored apart and summed by weight."""

    text: str
    vector: Vector  # (dim,) float32, unit length
    terms: tuple[str, ...]  # for BM25
    encoder: str  # its fingerprint
    weight: float = 1.0


def make_query(text: str, encoder: Encoder, weight: float = 1.0) -> Query:
    """Raises EncoderError when what the encoder gives is no vector."""
    vector = encoder.encode_query(text)
    if not np.isfinite(vector).all():
        raise EncoderError("The encoder gives numbers that are none.", remedy="See footnote doctor.")
    return Query(text, vector, tuple(content_terms(text)), encoder.fingerprint, weight)


def search(
    generation: Generation,
    queries: Sequence[Query],
    *,
    k: int,
    documents: Sequence[str] | None = None,
    without: Sequence[str] = (),
    depth: int = DEPTH,
) -> list[Hit]:
    """The ``k`` best passages, best first, among the documents with these ids when given, and in no content that the
    documents ``without`` have.

    Signals and sentence scores of a hit are means over the queries, by weight. Raises IncompatibleIndex when a query
    was encoded by another encoder than the passages, or by another runtime."""
    for query in queries:
        generation.manifest.check_encoder(query.encoder)
    among = generation.store.rows_of(documents) if documents is not None else None
    left_out = generation.store.rows_of(without) if without else []
    lexical = [dict(generation.lexical.search(query.terms, depth, among, left_out)) for query in queries]
    dense = [generation.vectors.search(query.vector, depth, among, left_out) for query in queries]
    rows = sorted({row for found in lexical for row in found} | {row for found in dense for row, _ in found})
    if not rows:
        return []
    if rows[-1] >= len(generation.vectors):  # the lexical index is read where it lies
        raise CorruptGeneration("A passage was found that there is not.", remedy=REBUILD)
    dense_rows = generation.vectors.rows(rows)  # (n, dim)
    sentence_rows, starts = _sentence_rows(generation, rows)  # (m,) of all passages; where each passage's begin
    total = np.zeros(len(rows))
    signals = np.zeros((len(rows), len(astuple(WEIGHTS))))
    mean_sentence = np.zeros(len(sentence_rows))
    weight = sum(query.weight for query in queries)
    for query, found in zip(queries, lexical, strict=True):
        share = query.weight / weight
        with np.errstate(invalid="ignore", over="ignore"):  # what comes of it is looked at below
            per_sentence = generation.sentences.cosines(sentence_rows, query.vector).astype(np.float64)  # (m,)
        own = np.column_stack(  # (n, 4), in the order of Signals
            [
                dense_rows @ query.vector,
                np.maximum.reduceat(per_sentence, starts),
                _of_rows(dict(generation.lexical.coverage(query.terms, rows)), rows),
                _of_rows(_bm25(generation, query, rows, found), rows),
            ]
        ).astype(np.float64)
        if not np.isfinite(own).all():  # and so are the sentence vectors
            raise CorruptGeneration("A vector of a sentence holds no numbers.", remedy=REBUILD)
        total += query.weight * (standardise(own) @ astuple(WEIGHTS))
        signals += share * own
        mean_sentence += share * per_sentence
    signals[:, 1] = np.maximum.reduceat(mean_sentence, starts)
    ends = [*starts[1:], len(mean_sentence)]
    order = sorted(range(len(rows)), key=lambda i: (-total[i], rows[i]))[:k]
    passages = generation.store.passages([rows[i] for i in order], documents or ())
    return [
        Hit(
            passage,
            float(total[i]),
            Signals(*(float(value) for value in signals[i])),
            tuple(mean_sentence[starts[i] : ends[i]].tolist()),
        )
        for i, passage in zip(order, passages, strict=True)
    ]


def standardise(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """``signals`` (n, n_signals), each column with mean 0 and deviation 1; all zero where it does not differ."""
    deviation = signals.std(axis=0)
    flat = deviation < 1e-9
    return np.asarray(np.where(flat, 0.0, (signals - signals.mean(axis=0)) / np.where(flat, 1.0, deviation)))


def _bm25(generation: Generation, query: Query, rows: Sequence[int], found: Mapping[int, float]) -> dict[int, float]:
    """The scores of ``rows``, of which the best have been ``found``: a score is the same whatever else is looked at."""
    rest = [row for row in rows if row not in found]
    return {**found, **dict(generation.lexical.search(query.terms, len(rest), rest))}


def _of_rows(scores: Mapping[int, float], rows: Sequence[int]) -> list[float]:
    """The scores of ``rows``, in their order; 0 for one that was not found."""
    return [scores.get(row, 0.0) for row in rows]


def _sentence_rows(generation: Generation, rows: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All sentence rows of the passages ``rows``, one passage after another, and where each one's begin."""
    first, end = generation.store.sentence_spans(rows).T
    if end.max() > len(generation.sentences):
        raise CorruptGeneration("A passage is said to have sentences that there are not.", remedy=REBUILD)
    ends = np.cumsum(end - first)  # none is empty
    numbers = np.arange(ends[-1]) + np.repeat(end - ends, end - first)
    return numbers, ends - (end - first)
