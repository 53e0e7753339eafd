"""The only door to FAISS: passage vectors; and beside them the sentence vectors, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from index.types import Matrix, Vector


def write_passages(path: Path, dim: int, blocks: Iterable[Matrix]) -> int:
    """Write unit vectors, in row order, as an exact inner-product index; returns how many. The cosine of two unit
    vectors is their inner product."""
    index = faiss.IndexFlatIP(dim)
    for block in blocks:  # (n, dim) float32
        index.add(np.ascontiguousarray(block, dtype=np.float32))
    faiss.write_index(index, str(path))
    return int(index.ntotal)


class PassageVectors:
    """Passage vectors in memory, ``(n, dim)`` float32, unit rows. Searching is thread-safe; nothing here changes."""

    def __init__(self, path: Path) -> None:
        self._index = faiss.read_index(str(path))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Vector, k: int, rows: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The ``k`` nearest ``(row, cosine)``, best first, among ``rows`` when given."""
        k = min(k, len(self) if rows is None else len(rows))
        if k < 1:
            return []
        parameters = None
        if rows is not None:
            selector = faiss.IDSelectorBatch(np.asarray(rows, dtype=np.int64))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg] # the stub lacks it
        scores, found = self._index.search(query[None, :], k, params=parameters)  # (1, k) each
        # FAISS fills up with row -1 when it finds fewer than k.
        pairs = [(int(row), float(score)) for row, score in zip(found[0], scores[0], strict=True) if row >= 0]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def rows(self, rows: Sequence[int]) -> Matrix:
        """The stored vectors of ``rows``, ``(len(rows), dim)`` float32."""
        if not rows:
            return np.zeros((0, self._index.d), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(np.asarray(rows, dtype=np.int64)), dtype=np.float32)


class SentenceVectors:
    """Sentence vectors on disk, ``(n, dim)`` float16, unit rows, aligned with the sentence table; memory-mapped."""

    def __init__(self, path: Path, dim: int) -> None:
        size = path.stat().st_size
        self._rows: NDArray[np.float16]
        if size:
            self._rows = np.memmap(path, dtype=np.float16, mode="r").reshape(-1, dim)
        else:  # an empty file cannot be mapped
            self._rows = np.zeros((0, dim), dtype=np.float16)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, start: int, end: int) -> Matrix:
        """Rows ``[start, end)`` as float32."""
        return np.asarray(self._rows[start:end], dtype=np.float32)
