"""Writes the FAISS file of passage vectors a block at a time: an index larger than memory can be written.

FAISS keeps an index in memory and writes it at the end. Here the head of the file comes from FAISS, for an index that
has no rows yet, and the rows follow as FAISS would write them. The file is the same, byte for byte
(tests/index/test_vector_writer.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from index.codes import numbers_a_code, write_codes
from index.types import Matrix
from index.vectors import (
    EXACT_ROWS,
    RECALL_DEPTH,
    PassageVectors,
    RowsOnDisk,
    VectorCard,
    codes_of,
    empty_index,
    head_of,
)

MIN_RECALL = 0.97  # of the exact RECALL_DEPTH nearest, measured on vectors of sentences
_FIRST_CANDIDATES = 400
_BLOCK_BYTES = 16 << 20  # of vectors handed to FAISS at a time

Rows = NDArray[np.float32] | RowsOnDisk
"""Unit vectors (n, dim) float32."""


def write_passages(
    path: Path, rows: Rows, queries: Matrix | None = None, *, exact_rows: int = EXACT_ROWS
) -> VectorCard:
    """Write ``rows`` as an index that scores by inner product: of two unit vectors that is their cosine.

    With more than ``exact_rows``, and vectors that are not too long to have codes, they are kept in float16, codes are
    written beside them, and the recall of both together is measured with ``queries`` (m, dim). Takes no more memory
    than some blocks and, for that measure, half a byte for each number in ``rows``."""
    if len(rows) <= exact_rows or queries is None or not len(queries) or not numbers_a_code(rows.shape[1]):
        _write_rows(path, "exact", rows)
        return VectorCard("exact")
    _write_rows(path, "codes", rows)
    sample = np.asarray(rows[:: -(-len(rows) // _rows_a_block(rows))], dtype=np.float32)  # of every part of the folder
    write_codes(codes_of(path), sample, (block for _, block in _blocks(rows)))
    return _looking_enough(path, rows, queries)


def _write_rows(path: Path, kind: str, rows: Rows) -> None:
    index = empty_index(kind, rows.shape[1])
    with path.open("wb") as stream:
        stream.write(head_of(kind, rows.shape[1], len(rows)))
        for _, block in _blocks(rows):
            stream.write(index.sa_encode(block).tobytes())


def _blocks(rows: Rows) -> Iterator[tuple[int, Matrix]]:
    """The first row's number, and the rows."""
    size = _rows_a_block(rows)
    for start in range(0, len(rows), size):
        yield start, np.ascontiguousarray(rows[start : start + size], dtype=np.float32)


def _rows_a_block(rows: Rows) -> int:
    return max(1, _BLOCK_BYTES // (int(rows.shape[1]) * 4))


def _looking_enough(path: Path, rows: Rows, queries: Matrix) -> VectorCard:
    """How many vectors are to be looked at: the fewest, growing by half, that find MIN_RECALL of what is nearest."""
    asked = np.ascontiguousarray(queries, dtype=np.float32)
    exact = _nearest(rows, asked, min(RECALL_DEPTH, len(rows)))
    candidates = _FIRST_CANDIDATES
    while True:
        vectors = PassageVectors(path, candidates=candidates, in_memory=False)
        found = [[row for row, _ in vectors.search(query, exact.shape[1])] for query in asked]
        recall = float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, exact.tolist(), strict=True)]))
        if recall >= MIN_RECALL or candidates >= len(rows):
            return VectorCard("codes", candidates, round(recall, 4), len(asked))
        candidates = candidates * 3 // 2


def _nearest(rows: Rows, queries: Matrix, k: int) -> NDArray[np.int64]:
    """The exact ``k`` nearest of ``rows`` to each query, (m, k)."""
    heap = faiss.ResultHeap(len(queries), k, keep_max=True)
    for start, block in _blocks(rows):
        scores, found = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(scores, found + start)
    heap.finalize()
    return np.asarray(heap.I)
