"""The door to FAISS: passage vectors; and beside them the sentence vectors, read a few rows at a time.

Up to ``EXACT_ROWS`` passages every vector is looked at. Above that every vector's code is, a sixteenth of its length
(index.codes), and then the vectors of the rows that seem nearest; how much of the exact answer that finds is measured
when the index is written (index.vector_writer), and more vectors are looked at until it is enough.

Both kinds of vector may lie in two parts: a base, and a tail that later builds have added (index.extend). A row counts
through both; rows whose passage is gone are passed over.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.codes import Codes
from index.types import Matrix, Vector

# A look at so many vectors of 384 numbers reads 31 MB of memory.
EXACT_ROWS = 20_000
RECALL_DEPTH = 100  # nearest rows that a search asks for, and that recall is measured with
_TAIL_BLOCK = 4_096  # rows of a tail read at a time
_CACHED_NUMBERS = (
    32_000  # so many are widened at a time: larger arrays are given new memory, which costs more than that
)
_FEW = 0.05  # of all rows: so many are looked at themselves, as fast as they would be found among the nearest of all
_HEAD = struct.Struct("<4siq")  # of FAISS's files: kind, dimensions, vectors
_KINDS = {b"IxFI": "exact", b"IxSQ": "codes"}
_COUNT = struct.Struct("<Q")
_MOST_DIMENSIONS = 1 << 16


@dataclass(frozen=True, slots=True)
class VectorCard:
    """How passage vectors are searched; a part of the manifest."""

    kind: str  # "exact" or "codes"
    candidates: int = 0  # rows that seem nearest by their codes and whose vectors are looked at, for RECALL_DEPTH
    recall: float = 1.0  # mean share of the exact nearest that were found; of the base alone
    queries: int = 0  # that the recall was measured with


class PassageVectors:
    """Passage vectors, ``(n, dim)``, unit rows. Searching is thread-safe; nothing here changes."""

    def __init__(
        self,
        base: Path,
        tail: Path | None = None,
        gone: Sequence[int] = (),
        *,
        candidates: int = 0,
        in_memory: bool = True,
    ) -> None:
        """``gone`` are the rows that are never found, ascending; ``candidates`` as the base's card has them. Not
        ``in_memory``, rows are read where they lie when they are wanted, and codes when they are first searched: as a
        build does, which copies rows and may have little memory."""
        self._parts = [_Part(base, in_memory, candidates), *([_Part(tail, in_memory)] if tail is not None else [])]
        self.gone = np.asarray(gone, dtype=np.int64)  # ascending
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])

    def __len__(self) -> int:
        """How many rows there are, with those that are gone."""
        return int(self._starts[-1])

    @property
    def dim(self) -> int:
        return self._parts[0].dim

    @property
    def in_base(self) -> int:
        """How many rows lie in the base."""
        return int(self._starts[1])

    def search(
        self, query: Vector, k: int, rows: Sequence[int] | None = None, without: Sequence[int] = ()
    ) -> list[tuple[int, float]]:
        """The ``k`` nearest ``(row, cosine)``, best first, among ``rows`` when given, and none of ``without``."""
        left_out = np.union1d(self.gone, np.asarray(without, dtype=np.int64)) if len(without) else self.gone
        among = None if rows is None else np.setdiff1d(np.asarray(rows, dtype=np.int64), left_out)
        pairs: list[tuple[int, float]] = []
        for part, start in zip(self._parts, self._starts, strict=False):
            end = start + len(part)
            inside = None if among is None else among[(among >= start) & (among < end)] - start
            out = left_out[(left_out >= start) & (left_out < end)] - start
            pairs += [(row + int(start), score) for row, score in part.search(query, k, inside, out)]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[: max(k, 0)]

    def rows(self, rows: Sequence[int]) -> Matrix:
        """The stored vectors of ``rows``, ``(len(rows), dim)`` float32."""
        wanted = np.asarray(rows, dtype=np.int64)
        found = np.zeros((len(wanted), self.dim), dtype=np.float32)
        for part, start in zip(self._parts, self._starts, strict=False):
            here = (wanted >= start) & (wanted < start + len(part))
            if here.any():
                found[here] = part.rows(wanted[here] - start)
        return found

    def tail(self) -> Iterator[Matrix]:
        """The vectors that lie in the tail, in blocks ``(n, dim)`` float32."""
        for start in range(self.in_base, len(self), _TAIL_BLOCK):
            yield self.rows(range(start, min(start + _TAIL_BLOCK, len(self))))


class _Part:
    """One FAISS file; its rows count from 0."""

    def __init__(self, path: Path, in_memory: bool, candidates: int = 0) -> None:
        """Raises ValueError for a file that index.vector_writer has not written."""
        if candidates < 0:
            raise ValueError(f"{candidates} candidates")
        _check_head(path)
        self._path = path
        self._index: Any = faiss.read_index(str(path)) if in_memory else read_mapped(path)
        self.dim = int(self._index.d)
        self._candidates = candidates
        if candidates and in_memory:
            _ = self._codes

    @cached_property
    def _codes(self) -> Codes:
        return Codes(codes_of(self._path), len(self), self.dim)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self, query: Vector, k: int, among: NDArray[np.int64] | None, out: NDArray[np.int64]
    ) -> list[tuple[int, float]]:
        """As PassageVectors.search; ``among`` does not hold any of ``out``."""
        k = min(k, len(self) - len(out) if among is None else len(among))
        if k < 1:
            return []
        if self._candidates:
            few = among is not None and len(among) < _FEW * len(self)
            return self._best(query, k, among if among is not None and few else self._near(query, k, among, out))
        scores, found = self._index.search(query[None, :], k, params=self._parameters(among, out))  # (1, k) each
        # FAISS fills up with row -1 when it finds fewer than k.
        return [(int(row), float(score)) for row, score in zip(found[0], scores[0], strict=True) if row >= 0]

    def _parameters(self, among: NDArray[np.int64] | None, out: NDArray[np.int64]) -> Any:
        if among is None and not len(out):
            return None
        selector: Any = faiss.IDSelectorBatch(out if among is None else among)
        if among is None:
            selector = faiss.IDSelectorNot(selector)
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg] # the stub lacks it

    def _near(
        self, query: Vector, k: int, among: NDArray[np.int64] | None, out: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Rows that may be among the ``k`` nearest, ascending: of ``among`` when given, else without those ``out``."""
        there = len(self) - len(out) if among is None else len(among)
        wanted = min(self._candidates * -(-k // RECALL_DEPTH), there)
        asked = wanted * len(self) // there + min(len(out), wanted)
        while True:
            found = np.sort(self._codes.nearest(query, min(asked, len(self))))
            found = found[~_is_in(found, out) if among is None else _is_in(found, among)]
            if len(found) >= wanted or asked >= len(self):
                return found
            asked *= 2

    def _best(self, query: Vector, k: int, among: NDArray[np.int64]) -> list[tuple[int, float]]:
        scores = np.vecdot(self.rows(among), query)
        best = np.argsort(-scores, kind="stable")[:k]
        return [(int(among[i]), float(scores[i])) for i in best]

    def rows(self, rows: NDArray[np.int64]) -> Matrix:
        return np.asarray(self._index.reconstruct_batch(rows), dtype=np.float32)


def codes_of(path: Path) -> Path:
    """Where the codes of the vectors in ``path`` lie."""
    return path.with_suffix(".codes")


def _is_in(rows: NDArray[np.int64], some: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of ``rows`` are among ``some``, which ascend. In time that hardly depends on how many those are."""
    if not len(some):
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(some[np.minimum(np.searchsorted(some, rows), len(some) - 1)] == rows)


def empty_index(kind: str, dim: int) -> Any:
    """Without rows, an index of float32 ("exact") or of float16 ("codes"), as it is kept in a file."""
    if kind == "exact":
        return faiss.IndexFlatIP(dim)
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def head_of(kind: str, dim: int, n_rows: int) -> bytes:
    """How the file of such an index begins when it has so many rows: everything but those."""
    index = empty_index(kind, dim)
    index.ntotal = n_rows
    # FAISS says at the end how many numbers follow, where they are float32, and else how many bytes.
    following = n_rows * (dim if kind == "exact" else int(index.code_size))
    return bytes(faiss.serialize_index(index).tobytes()[: -_COUNT.size] + _COUNT.pack(following))


def _check_head(path: Path) -> None:
    """FAISS makes room for as much as a file says it holds, of any kind that it knows. Raises ValueError unless all
    that the file says of itself is as it is written here, and it is as long as that."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(_HEAD.size).ljust(_HEAD.size)
        kind, dim, rows = _HEAD.unpack(start)
        if kind in _KINDS and 0 < dim <= _MOST_DIMENSIONS and 0 <= rows * dim <= size:
            head = head_of(_KINDS[kind], dim, rows)
            whole = start + stream.read(len(head) - len(start))
            if whole == head and size == len(head) + rows * int(empty_index(_KINDS[kind], dim).code_size):
                return
    raise ValueError(f"{path.name} is no index of passage vectors")


class SentenceVectors:
    """Sentence vectors on disk, ``(n, dim)`` float16, unit rows, aligned with the sentence table; memory-mapped."""

    def __init__(self, base: Path, dim: int, tail: Path | None = None) -> None:
        self._parts = [mapped(path, dim) for path in (base, tail) if path is not None]
        self._dim = dim
        self.in_base = len(self._parts[0])

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def cosines(self, rows: NDArray[np.int64], vector: Vector) -> NDArray[np.float32]:
        """(len(rows),): of ``vector`` (dim,) and each of ``rows``."""
        size = max(1, _CACHED_NUMBERS // self._dim)
        blocks = [np.vecdot(self.take(rows[at : at + size]), vector) for at in range(0, len(rows), size)]
        return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)

    def take(self, rows: NDArray[np.int64]) -> Matrix:
        """The vectors of ``rows``, ``(len(rows), dim)`` float32."""
        if len(self._parts) == 1:
            return widened(self._parts[0][rows])
        found = np.empty((len(rows), self._dim), dtype=np.float16)
        is_tail = rows >= self.in_base
        found[~is_tail] = self._parts[0][rows[~is_tail]]
        found[is_tail] = self._parts[1][rows[is_tail] - self.in_base]
        return widened(found)

    def rows(self, start: int, end: int) -> Matrix:
        """Rows ``[start, end)``, those there are, ``(n, dim)`` float32."""
        return self.take(np.arange(start, min(end, len(self))))


def mapped(path: Path, dim: int) -> NDArray[np.float16]:
    """The rows (n, dim) in a file, read where they lie."""
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.zeros((0, dim), dtype=np.float16)
    return np.memmap(path, dtype=np.float16, mode="r").reshape(-1, dim).view(np.ndarray)


_SIZE, _INFINITE = np.uint16(0x7FFF), np.uint16(0x7C00)  # a float16 without its sign; from here on it is no number
_KEPT = np.uint32(0x8FFFE000).astype(np.int32)  # sign, and where the other bits of a float16 lie in a float32
_REBASE = np.float32(2.0**112)  # the exponents of float32 count from 112 less


def widened(halves: NDArray[np.float16]) -> Matrix:
    """The same numbers as float32. What NumPy does by itself takes more than twice as long, a number at a time."""
    bits = np.ascontiguousarray(halves).view(np.int16)
    if bits.size and (bits.view(np.uint16) & _SIZE).max() >= _INFINITE:
        return np.asarray(halves, dtype=np.float32)
    wide = bits.astype(np.int32)  # what is above a negative one's sign is filled with it
    wide <<= np.int32(13)
    wide &= _KEPT
    found = wide.view(np.float32)
    found *= _REBASE  # exact, for numbers below the least normal one too
    return found


class RowsOnDisk:
    """``(n, dim)`` float32 in a file, of which only what is asked for is read. A map of the file would seem to take as
    much memory as the file is long."""

    def __init__(self, path: Path, dim: int) -> None:
        self._path = path
        self._size = dim * 4
        self.shape = (path.stat().st_size // self._size, dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, wanted: slice | NDArray[np.int64]) -> Matrix:
        """The rows wanted; numbers count from 0. Raises OSError when the file ends before them."""
        numbers = range(len(self))[wanted] if isinstance(wanted, slice) else wanted
        found = np.empty((len(numbers), self.shape[1]), dtype=np.float32)
        with self._path.open("rb", buffering=0) as stream:
            if isinstance(numbers, range) and numbers.step == 1:
                self._read(stream.fileno(), found, numbers.start)
            else:
                for i, number in enumerate(numbers):
                    self._read(stream.fileno(), found[i], int(number))
        return found

    def _read(self, handle: int, into: Matrix | Vector, row: int) -> None:
        """Fill ``into`` with what begins at ``row``."""
        if os.preadv(handle, [into.data], row * self._size) != into.nbytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self._path))


def read_mapped(path: Path) -> Any:
    """The index in a file, whose rows are read where they lie."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
