"""FAISS finds what a look at every row finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.types import Matrix, Vector
from index.vector_writer import MIN_RECALL, write_passages
from index.vectors import PassageVectors, SentenceVectors, codes_of, widened


def unit_rows(n: int, dim: int, seed: int = 0) -> Matrix:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def stored(folder: Path, rows: Matrix) -> PassageVectors:
    assert write_passages(folder / "vectors.faiss", rows).kind == "exact"
    return PassageVectors(folder / "vectors.faiss")


def in_clusters(n: int, dim: int, clusters: int, seed: int = 0) -> Matrix:
    """Rows as texts have them: about some hundred subjects."""
    noise = np.random.default_rng(seed).standard_normal((n, dim)) * 0.6 / np.sqrt(dim)
    rows = unit_rows(clusters, dim, seed=7)[np.random.default_rng(seed).integers(clusters, size=n)] + noise
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


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


def test_an_inexact_index_finds_nearly_what_a_look_at_every_row_finds(tmp_path: Path) -> None:
    rows, queries = in_clusters(4_000, 32, 100), in_clusters(50, 32, 100, seed=3)
    card = write_passages(tmp_path / "coded", rows, queries, exact_rows=1_000)
    vectors, exact = PassageVectors(tmp_path / "coded", candidates=card.candidates), stored(tmp_path, rows)
    assert card.kind == "codes" and card.recall >= MIN_RECALL and card.queries == 50 and card.candidates < 1_000
    shares = []
    for query in in_clusters(50, 32, 100, seed=4):  # not those that it was measured with
        wanted = {row for row, _ in exact.search(query, 100)}
        found = vectors.search(query, 100)
        shares.append(len(wanted & {row for row, _ in found}) / 100)
        assert [score for _, score in found] == pytest.approx([float(rows[row] @ query) for row, _ in found], abs=2e-3)
    assert np.mean(shares) > MIN_RECALL - 0.03
    assert vectors.rows([17, 3999]) == pytest.approx(rows[[17, 3999]], abs=1e-3)


def test_an_index_that_finds_too_little_looks_at_more_vectors(tmp_path: Path) -> None:
    """Rows without any clusters are the worst case: nothing is much nearer than the rest."""
    rows, queries = unit_rows(30_000, 384), unit_rows(20, 384, seed=5)
    card = write_passages(tmp_path / "coded", rows, queries, exact_rows=1_000)
    assert card.recall >= MIN_RECALL and card.candidates > 400


@pytest.mark.parametrize("share", [0.002, 0.01, 0.06, 0.5, 0.99])
def test_of_some_rows_of_an_inexact_index_the_nearest_are_found(tmp_path: Path, share: float) -> None:
    rows, query = in_clusters(5_000, 16, 50), unit_rows(1, 16, seed=2)[0]
    card = write_passages(tmp_path / "coded", rows, rows[:20], exact_rows=1_000)
    gone = [105, 205]
    vectors = PassageVectors(tmp_path / "coded", gone=gone, candidates=card.candidates)
    among = sorted(np.random.default_rng(3).choice(5_000, int(5_000 * share), replace=False).tolist())
    there = [row for row in among if row not in gone]
    expected = [row for row, _ in slow_search(rows, query, 100, there)]
    for found in (
        vectors.search(query, 100, among),
        vectors.search(query, 100, without=sorted(set(range(5_000)) - set(among))),
        vectors.search(query, 100, range(5_000), without=sorted(set(range(5_000)) - set(among))),
    ):
        assert len(found) == len(expected) and {row for row, _ in found} <= set(there)
        assert len({row for row, _ in found} & set(expected)) >= MIN_RECALL * len(expected)


@pytest.mark.parametrize("dim", [384, 512, 768, 1_024])
def test_the_nearest_of_long_vectors_are_found(tmp_path: Path, dim: int) -> None:
    """FAISS adds codes up in 16 bits: were there too many a vector, the nearest would be missed first."""
    # Sums of codes are as large as they can be.
    rows = np.asarray(np.sign(unit_rows(4_000, dim)) / np.sqrt(dim), dtype=np.float32)
    near = np.asarray(rows[:20] + 0.1 * unit_rows(20, dim, seed=1), dtype=np.float32)
    card = write_passages(tmp_path / "coded", rows, near, exact_rows=100)
    vectors = PassageVectors(tmp_path / "coded", candidates=card.candidates)
    assert card.kind == "codes" and card.candidates < 2_000
    for row, query in enumerate(near):
        assert vectors.search(query, 1)[0][0] == row


def test_rows_that_are_gone_and_nearest_hide_nothing(tmp_path: Path) -> None:
    rows = in_clusters(3_000, 16, 50)
    card = write_passages(tmp_path / "coded", rows, rows[:20], exact_rows=1_000)
    query = rows[0]
    nearest = [row for row, _ in slow_search(rows, query, 1_500, list(range(3_000)))]
    vectors = PassageVectors(tmp_path / "coded", gone=sorted(nearest[:1_400]), candidates=card.candidates)
    found = {row for row, _ in vectors.search(query, 100)}
    assert not found & set(nearest[:1_400]) and len(found & set(nearest[1_400:])) > 90


def test_codes_of_another_number_of_rows_are_refused(tmp_path: Path) -> None:
    rows = unit_rows(300, 16)
    card = write_passages(tmp_path / "coded", rows, rows[:20], exact_rows=100)
    path = codes_of(tmp_path / "coded")
    whole = path.read_bytes()
    for data in (whole[:-1], whole + b"\0", b"", b"\xff" * len(whole)):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="does not hold the codes of 300 rows"):
            PassageVectors(tmp_path / "coded", candidates=card.candidates)


@pytest.mark.parametrize("dim", [1, 2, 7, 24, 33])
def test_vectors_of_any_length_have_codes(tmp_path: Path, dim: int) -> None:
    rows = unit_rows(1_500, dim)
    card = write_passages(tmp_path / "coded", rows, rows[:20], exact_rows=100)
    vectors = PassageVectors(tmp_path / "coded", candidates=card.candidates)
    assert card.recall >= MIN_RECALL and len(vectors.search(rows[3], 100)) == 100


@pytest.mark.parametrize("exact_rows", [10, 10_000])
def test_a_tail_is_searched_with_its_base_and_what_is_gone_is_not_found(tmp_path: Path, exact_rows: int) -> None:
    rows, query = in_clusters(2_000, 16, 20), unit_rows(1, 16, seed=2)[0]
    card = write_passages(tmp_path / "base", rows[:1_900], rows[:50], exact_rows=exact_rows)
    write_passages(tmp_path / "tail", rows[1_900:])
    gone = [0, 7, 1_899, 1_900, 1_999]
    vectors = PassageVectors(tmp_path / "base", tmp_path / "tail", gone, candidates=card.candidates)
    assert (len(vectors), vectors.in_base, sum(map(len, vectors.tail()))) == (2_000, 1_900, 100)
    live = [row for row in range(2_000) if row not in gone]
    found, expected = vectors.search(query, 2_000), slow_search(rows, query, 2_000, live)
    if exact_rows > 2_000:
        assert [row for row, _ in found] == [row for row, _ in expected]
    assert not {row for row, _ in found} & set(gone)
    some = list(range(0, 2_000, 19))
    assert {row for row, _ in vectors.search(query, 500, some)} == set(some) - set(gone)
    assert vectors.rows([1_899, 1_900, 3]) == pytest.approx(rows[[1_899, 1_900, 3]], abs=1e-3)


def test_sentences_of_a_tail_follow_those_of_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit_rows(10, 8).astype(np.float16)
    (tmp_path / "base").write_bytes(rows[:6].tobytes())
    (tmp_path / "tail").write_bytes(rows[6:].tobytes())
    sentences = SentenceVectors(tmp_path / "base", 8, tmp_path / "tail")
    assert (len(sentences), sentences.in_base) == (10, 6)
    for start, end in ((0, 6), (6, 10), (4, 8), (7, 9), (0, 10), (3, 3)):
        assert np.array_equal(sentences.rows(start, end), rows[start:end].astype(np.float32))
        assert np.array_equal(sentences.take(np.arange(start, end)), rows[start:end].astype(np.float32))
    wanted = np.array([9, 0, 6, 5, 6])
    assert np.array_equal(sentences.take(wanted), rows[wanted].astype(np.float32))
    for numbers in (1, 16, 24_576):  # in blocks of one row, two rows, and all
        monkeypatch.setattr("index.vectors._CACHED_NUMBERS", numbers)
        cosines = [float(rows[row].astype(np.float32) @ rows[2].astype(np.float32)) for row in wanted]
        assert sentences.cosines(wanted, rows[2].astype(np.float32)).tolist() == pytest.approx(cosines, abs=1e-6)
    assert sentences.cosines(wanted[:0], rows[2].astype(np.float32)).shape == (0,)


def test_every_half_is_widened_to_the_same_number() -> None:
    every = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    numbers = every[np.isfinite(every)]
    assert widened(numbers.reshape(-1, 2)).tobytes() == numbers.astype(np.float32).tobytes()
    assert widened(numbers[::-3]).tobytes() == numbers[::-3].astype(np.float32).tobytes()
    assert np.array_equal(widened(every), every.astype(np.float32), equal_nan=True)
    assert widened(np.zeros((0, 8), dtype=np.float16)).shape == (0, 8)


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_an_error_even_when_it_is_noticed_as_the_file_is_closed() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_passages(Path("/dev/full"), np.eye(4, dtype=np.float32))
