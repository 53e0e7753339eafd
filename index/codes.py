"""Codes of passage vectors: a look at all of them tells fast which rows may be near.

They are FAISS's product quantisation with a table that needs no training. Each number of a vector becomes one of the
levels that lose least where numbers are spread as a normal distribution is (Max 1960, "Quantizing for minimum
distortion"), about the mean and the deviation of its place: of four levels, or of two in long vectors. Two or four
numbers share a code of four bits, which is what FAISS scans in registers (André et al. 2019, "Quicker ADC"). How near
those rows are indeed, their vectors tell.

The file holds the table, (codes a vector, 16, numbers a code) float32, and then the codes, so many bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.types import Matrix, Vector

_FOUR, _TWO = (-1.510, -0.4528, 0.4528, 1.510), (-0.7979, 0.7979)  # Max's tables, in deviations
_BITS = 4  # a code
# FAISS adds up a byte a code in 16 bits, and what exceeds them begins at 0 again: the nearest rows would seem farthest.
_MOST_CODES = 256
_LEAST_DEVIATION = 1e-6


def numbers_a_code(dim: int) -> int:
    """How many numbers of a vector share a code; 0 where vectors are too long to have codes."""
    for numbers in (2, 1, 4):
        if dim % numbers == 0 and dim // numbers <= _MOST_CODES:
            return numbers
    return 0


class Codes:
    """Finds rows that may be near. Safe to use from threads; nothing here changes."""

    def __init__(self, path: Path, n_rows: int, dim: int) -> None:
        """Raises ValueError when the file does not hold the codes of so many rows."""
        numbers = numbers_a_code(dim)
        if not numbers:
            raise ValueError(f"vectors of {dim} numbers have no codes")
        index: Any = faiss.IndexPQ(dim, dim // numbers, _BITS, faiss.METRIC_INNER_PRODUCT)
        table = np.empty(dim << _BITS, dtype="<f4")
        index.codes.resize(n_rows * int(index.code_size))
        codes = faiss.rev_swig_ptr(index.codes.data(), index.codes.size())
        with path.open("rb") as stream:
            read = stream.readinto(table.data), stream.readinto(codes.data)
            if read != (table.nbytes, codes.nbytes) or stream.read(1) or not np.isfinite(table).all():
                raise ValueError(f"{path.name} does not hold the codes of {n_rows} rows")
        faiss.copy_array_to_vector(table, index.pq.centroids)
        index.ntotal = n_rows
        index.is_trained = True
        self._index: Any = faiss.IndexPQFastScan(index)  # a copy, in the order that registers read

    def nearest(self, query: Vector, n: int) -> NDArray[np.int64]:
        """The ``n`` rows that seem nearest to ``query`` (dim,), in no order that counts."""
        _, found = self._index.search(query[None, :], n)  # (1, n); -1 where there are fewer rows
        return np.asarray(found[0][found[0] >= 0], dtype=np.int64)


def write_codes(path: Path, sample: Matrix, blocks: Iterable[Matrix]) -> None:
    """Write the codes of the rows in ``blocks``, each (n, dim); ``sample`` (m, dim) of them tells how numbers are
    spread."""
    dim = sample.shape[1]
    quantiser: Any = faiss.ProductQuantizer(dim, dim // numbers_a_code(dim), _BITS)
    table = _table(sample)
    faiss.copy_array_to_vector(table, quantiser.centroids)
    with path.open("wb") as stream:
        stream.write(table.astype("<f4").tobytes())
        for block in blocks:
            stream.write(quantiser.compute_codes(block).tobytes())


def _table(sample: Matrix) -> NDArray[np.float32]:
    """What each code stands for, as FAISS lays it out, flat: (codes a vector, 16, numbers a code)."""
    numbers = numbers_a_code(sample.shape[1])
    levels = np.array(list(product(_TWO if numbers == 4 else _FOUR, repeat=numbers)), dtype=np.float32)
    levels = np.resize(levels, (1 << _BITS, numbers))  # of one number, four codes are in use
    mean, deviation = sample.mean(axis=0), np.maximum(sample.std(axis=0), _LEAST_DEVIATION)
    table = mean.reshape(-1, 1, numbers) + deviation.reshape(-1, 1, numbers) * levels
    return np.ascontiguousarray(table, dtype=np.float32).ravel()
