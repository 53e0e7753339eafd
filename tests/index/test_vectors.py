"""FAISS finds what a look at every row finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.types import Matrix, Vector
from index.vectors import PassageVectors, SentenceVectors, write_passages


def unit_rows(n: int, dim: int, seed: int = 0) -> Matrix:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def stored(folder: Path, rows: Matrix, block: int = 7) -> PassageVectors:
    blocks = (rows[i : i + block] for i in range(0, len(rows), block))
    assert write_passages(folder / "vectors.faiss", rows.shape[1], blocks) == len(rows)
    return PassageVectors(folder / "vectors.faiss")


def slow_search(rows: Matrix, query: Vector, k: int, among: list[int]) -> list[tuple[int, float]]:
    scored = [(row, sum(float(a) * float(b) for a, b in zip(rows[row], query, strict=True))) for row in among]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]


@pytest.mark.parametrize("k", [1, 5, 40, 1000])
def test_search_equals_brute_force(tmp_path: Path, k: int) -> None:
    rows, queries = unit_rows(40, 16), unit_rows(5, 16, seed=1)
    vectors = stored(tmp_path, rows)
    for query in queries:
        found, expected = vectors.search(query, k), slow_search(rows, query, k, list(range(40)))
        assert [row for row, _ in found] == [row for row, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-6)


def test_search_among_rows_equals_brute_force_among_them(tmp_path: Path) -> None:
    rows, query = unit_rows(40, 16), unit_rows(1, 16, seed=2)[0]
    vectors = stored(tmp_path, rows)
    for among in ([3], [0, 39], [5, 17, 30, 31], list(range(0, 40, 3))):
        found = [row for row, _ in vectors.search(query, 3, among)]
        assert found == [row for row, _ in slow_search(rows, query, 3, among)]


def test_equal_scores_come_in_row_order(tmp_path: Path) -> None:
    row = unit_rows(1, 8)[0]
    vectors = stored(tmp_path, np.stack([row, row, row]))
    assert [found for found, _ in vectors.search(row, 3)] == [0, 1, 2]


def test_nothing_is_found_among_no_rows_or_in_an_empty_index(tmp_path: Path) -> None:
    query = unit_rows(1, 8)[0]
    vectors = stored(tmp_path, unit_rows(4, 8))
    assert vectors.search(query, 5, []) == [] == vectors.search(query, 0)
    empty = stored(tmp_path, np.zeros((0, 8), dtype=np.float32))
    assert len(empty) == 0 and empty.search(query, 5) == []


def test_rows_are_given_back_bit_for_bit(tmp_path: Path) -> None:
    rows = unit_rows(9, 8)
    vectors = stored(tmp_path, rows)
    assert np.array_equal(vectors.rows([8, 0, 3]), rows[[8, 0, 3]])
    assert vectors.rows([]).shape == (0, 8)


def test_sentence_rows_are_read_where_they_lie(tmp_path: Path) -> None:
    rows = unit_rows(10, 8)
    path = tmp_path / "sentences.f16"
    path.write_bytes(rows.astype(np.float16).tobytes())
    sentences = SentenceVectors(path, 8)
    assert len(sentences) == 10
    assert sentences.rows(3, 5).dtype == np.float32
    assert np.allclose(sentences.rows(3, 5), rows[3:5], atol=1e-3)
    path.write_bytes(b"")
    assert SentenceVectors(path, 8).rows(0, 0).shape == (0, 8)
