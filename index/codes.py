"""Codes of passage vectors, two bits a number: a look at all of them tells fast which rows may be near.

They are FAISS's product quantisation with a table that needs no training: each number becomes one of the four levels
that lose least where numbers are spread as a normal distribution is (Max 1960, "Quantizing for minimum distortion"),
about the mean and the deviation of its place in the vector. Two places share a code of four bits, which is what FAISS
scans in registers (André et al. 2019, "Quicker ADC"). How near those rows are indeed, their vectors tell.

The file holds the table, (dim / 2, 16, 2) float32, and then the codes, so many bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.types import Matrix, Vector

_LEVELS = np.array([-1.510, -0.4528, 0.4528, 1.510], dtype=np.float32)  # of Max's table, in deviations
_BITS = 4  # a code
_LEAST_DEVIATION = 1e-6


class Codes:
    """Finds rows that may be near. Safe to use from threads; nothing here changes."""

    def __init__(self, path: Path, n_rows: int, dim: int) -> None:
        """Raises ValueError when the file is not as long as codes of so many rows are."""
        index: Any = faiss.IndexPQ(dim, _places(dim), _BITS, faiss.METRIC_INNER_PRODUCT)
        table_bytes = _table_bytes(dim)
        if path.stat().st_size != table_bytes + n_rows * int(index.code_size):
            raise ValueError(f"{path.name} does not hold the codes of {n_rows} rows")
        index.codes.resize(n_rows * int(index.code_size))
        with path.open("rb") as stream:
            faiss.copy_array_to_vector(np.fromfile(stream, dtype="<f4", count=table_bytes // 4), index.pq.centroids)
            stream.readinto(faiss.rev_swig_ptr(index.codes.data(), index.codes.size()).data)
        index.ntotal = n_rows
        index.is_trained = True
        self._index: Any = faiss.IndexPQFastScan(index)  # a copy, in the order that registers read

    def nearest(self, query: Vector, n: int) -> NDArray[np.int64]:
        """The ``n`` rows that seem nearest to ``query`` (dim,), in no order that counts."""
        _, found = self._index.search(query[None, :], n)  # (1, n); -1 where there are fewer rows
        return np.asarray(found[0][found[0] >= 0], dtype=np.int64)


def write_codes(path: Path, sample: Matrix, blocks: Iterator[Matrix] | Sequence[Matrix]) -> None:
    """Write the codes of the rows in ``blocks``, each (n, dim); ``sample`` (m, dim) of them tells how numbers are
    spread."""
    dim = sample.shape[1]
    quantiser: Any = faiss.ProductQuantizer(dim, _places(dim), _BITS)
    table = _table(sample)
    faiss.copy_array_to_vector(table, quantiser.centroids)
    with path.open("wb") as stream:
        stream.write(table.astype("<f4").tobytes())
        for block in blocks:
            stream.write(quantiser.compute_codes(block).tobytes())


def _places(dim: int) -> int:
    """How many codes a vector has: one for two of its numbers; for each, where their number is odd."""
    return dim // 2 if dim % 2 == 0 else dim


def _table_bytes(dim: int) -> int:
    return dim * (1 << _BITS) * 4


def _table(sample: Matrix) -> NDArray[np.float32]:
    """What each code stands for, as FAISS lays it out, flat: (places, 16, numbers a place)."""
    dim = sample.shape[1]
    deviation = np.maximum(sample.std(axis=0), _LEAST_DEVIATION)
    levels = sample.mean(axis=0)[:, None] + deviation[:, None] * _LEVELS  # (dim, 4)
    if dim % 2:  # a place has one number, and four of its codes are in use
        return np.ascontiguousarray(np.tile(levels, (1, 4)), dtype=np.float32).ravel()
    first, second = np.repeat(levels[0::2], 4, axis=1), np.tile(levels[1::2], (1, 4))  # (places, 16) each
    return np.ascontiguousarray(np.stack([first, second], axis=2), dtype=np.float32).ravel()
