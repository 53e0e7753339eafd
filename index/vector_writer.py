"""Writes the FAISS file of passage vectors a block at a time: an index larger than memory can be written.

FAISS keeps an index in memory and writes it at the end. Here the head of the file comes from FAISS, for an index that
has no rows yet, and the rows follow as FAISS would write them. The file is the same, byte for byte
(tests/index/test_vector_writer.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np
from numpy.typing import NDArray

from index.errors import BuildFailed
from index.types import Matrix
from index.vectors import EXACT_ROWS, RowsOnDisk, VectorCard, read_mapped

MIN_RECALL = 0.97  # of the exact _RECALL_DEPTH nearest, measured on vectors of sentences
_RECALL_DEPTH = 100  # what a search asks for
_BLOCK_BYTES = 16 << 20  # of vectors handed to FAISS at a time
_TRAINING_PER_LIST = 40  # FAISS warns below 39
_TRAINING_BYTES = 256 << 20  # what 40 a list come to at a million passages; beyond that they are fewer a list
_TRAINING_ROUNDS = 8
_FIRST_PROBES = 8
_NO_LISTS = struct.Struct("<4sQQ4sQ")  # how FAISS writes lists that are all empty: no sizes follow
_COUNT = struct.Struct("<Q")

Rows = NDArray[np.float32] | RowsOnDisk
"""Unit vectors (n, dim) float32."""


def write_passages(
    path: Path,
    rows: Rows,
    queries: Matrix | None = None,
    *,
    exact_rows: int = EXACT_ROWS,
    training_bytes: int = _TRAINING_BYTES,
) -> VectorCard:
    """Write ``rows`` as an index that scores by inner product: of two unit vectors that is their cosine.

    With more than ``exact_rows`` an IVF of float16 is made, and its recall is measured with ``queries`` (m, dim). Takes
    no more memory than some blocks, the centroids, a sample of ``training_bytes`` and 20 bytes a row."""
    if len(rows) <= exact_rows or queries is None or not len(queries):
        _write_exact(path, rows)
        return VectorCard("exact")
    index = _trained(rows, training_bytes)
    _write_lists(path, index, rows)
    card = _probing_enough(path, rows, queries)
    index.nprobe = card.probes
    with path.open("r+b") as stream:
        stream.write(_head(index, len(rows)))  # as long as before
    return card


def _write_exact(path: Path, rows: Rows) -> None:
    index: Any = faiss.IndexFlatIP(rows.shape[1])
    index.ntotal = len(rows)
    head = faiss.serialize_index(index).tobytes()
    with path.open("wb") as stream:
        stream.write(head[: -_COUNT.size] + _COUNT.pack(len(rows) * rows.shape[1]))
        for _, block in _blocks(rows):
            stream.write(block.tobytes())


def _blocks(rows: Rows) -> Iterator[tuple[int, Matrix]]:
    """The first row's number, and the rows."""
    size = _rows_a_block(rows)
    for start in range(0, len(rows), size):
        yield start, np.ascontiguousarray(rows[start : start + size], dtype=np.float32)


def _rows_a_block(rows: Rows) -> int:
    return max(1, _BLOCK_BYTES // (int(rows.shape[1]) * 4))


def _trained(rows: Rows, training_bytes: int) -> Any:
    """An empty IVF whose centroids fit ``rows``. 4 sqrt(n) lists, as FAISS's own guidelines have it."""
    dim = rows.shape[1]
    lists = max(1, int(4 * np.sqrt(len(rows))))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim), dim, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )
    index.cp.niter = _TRAINING_ROUNDS
    index.cp.seed = 1234
    index.cp.spherical = True
    index.cp.min_points_per_centroid = 1  # what too few come to is measured, in the recall
    wanted = min(lists * _TRAINING_PER_LIST, max(lists, training_bytes // (dim * 4)))
    index.train(np.ascontiguousarray(rows[:: max(1, -(-len(rows) // wanted))], dtype=np.float32))
    return index


def _head(index: Any, n_rows: int) -> bytes:
    """How the file of ``index`` begins when it has so many rows: everything but its lists."""
    index.ntotal = n_rows
    written: bytes = faiss.serialize_index(index).tobytes()
    head, tail = written[: -_NO_LISTS.size], written[-_NO_LISTS.size :]
    if tail != _NO_LISTS.pack(b"ilar", index.nlist, index.code_size, b"sprs", 0):
        raise BuildFailed(
            f"FAISS {faiss.__version__} writes another format than Footnote knows.",
            remedy="Install the version that Footnote's lock file names.",
        )
    return head


def _write_lists(path: Path, index: Any, rows: Rows) -> None:
    """Each list's codes and row numbers, list after list; rows of a list ascend."""
    lists = np.empty(len(rows), dtype=np.int32)
    for start, block in _blocks(rows):
        lists[start : start + len(block)] = index.quantizer.search(block, 1)[1][:, 0]
    order = np.argsort(lists, kind="stable")  # (n,) rows, list by list
    sizes = np.bincount(lists, minlength=index.nlist).astype("<u8")
    with path.open("wb") as stream:
        stream.write(_head(index, len(rows)))
        stream.write(_NO_LISTS.pack(b"ilar", index.nlist, index.code_size, b"full", index.nlist))
        stream.write(sizes.tobytes())
        start = 0
        for size in sizes.tolist():
            _write_list(stream, index, rows, order[start : start + size])
            start += size


def _write_list(stream: BinaryIO, index: Any, rows: Rows, members: NDArray[np.int64]) -> None:
    size = _rows_a_block(rows)
    for start in range(0, len(members), size):
        block = np.ascontiguousarray(rows[members[start : start + size]], dtype=np.float32)
        stream.write(index.sq.compute_codes(block).tobytes())
    stream.write(members.astype("<i8").tobytes())


def _probing_enough(path: Path, rows: Rows, queries: Matrix) -> VectorCard:
    """How many lists are to be looked at: the fewest, growing by half, that find MIN_RECALL of what is nearest."""
    index = read_mapped(path)
    asked = np.ascontiguousarray(queries, dtype=np.float32)
    k = min(_RECALL_DEPTH, len(rows))
    exact = _nearest(rows, asked, k)
    probes = _FIRST_PROBES
    while True:
        index.nprobe = min(probes, index.nlist)
        _, found = index.search(asked, k)
        recall = float(np.mean([len(set(a) & set(b)) / k for a, b in zip(found, exact, strict=True)]))
        if recall >= MIN_RECALL or index.nprobe == index.nlist:
            return VectorCard("ivf", int(index.nlist), int(index.nprobe), round(recall, 4), len(asked))
        probes = probes * 3 // 2


def _nearest(rows: Rows, queries: Matrix, k: int) -> NDArray[np.int64]:
    """The exact ``k`` nearest of ``rows`` to each query, (m, k)."""
    heap = faiss.ResultHeap(len(queries), k, keep_max=True)
    for start, block in _blocks(rows):
        scores, found = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(scores, found + start)
    heap.finalize()
    return np.asarray(heap.I)
