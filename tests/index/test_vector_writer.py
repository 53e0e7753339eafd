"""The file is what FAISS would write, and writing it takes little memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from index.codes import numbers_a_code
from index.types import Matrix
from index.vector_writer import write_passages
from index.vectors import PassageVectors, RowsOnDisk, codes_of
from tests.index.test_vectors import in_clusters, unit_rows


def as_faiss_writes(rows: Matrix, factory: str) -> bytes:
    """All rows added at once."""
    index: Any = faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    written: bytes = faiss.serialize_index(index).tobytes()
    return written


@pytest.mark.parametrize("n", [0, 1, 40])
def test_an_exact_index_is_written_as_faiss_writes_it(tmp_path: Path, n: int) -> None:
    rows = unit_rows(40, 16)[:n]
    assert write_passages(tmp_path / "exact", rows).kind == "exact"
    assert (tmp_path / "exact").read_bytes() == as_faiss_writes(rows, "Flat")


def test_vectors_that_have_codes_are_written_as_faiss_writes_them(tmp_path: Path) -> None:
    rows = in_clusters(5_000, 24, 60)
    assert write_passages(tmp_path / "coded", rows, rows[:30], exact_rows=100).kind == "codes"
    assert (tmp_path / "coded").read_bytes() == as_faiss_writes(rows, "SQfp16")


@pytest.mark.parametrize(("dim", "numbers"), [(24, 2), (33, 1), (384, 2), (768, 4)])
def test_a_code_names_the_levels_that_its_numbers_are_nearest_to(tmp_path: Path, dim: int, numbers: int) -> None:
    rows = in_clusters(600, dim, 60)
    write_passages(tmp_path / "coded", rows, rows[:30], exact_rows=100)
    assert numbers_a_code(dim) == numbers
    codes_a_row = dim // numbers
    data = codes_of(tmp_path / "coded").read_bytes()
    table = np.frombuffer(data[: dim * 64], dtype="<f4").reshape(codes_a_row, 16, numbers)
    packed = np.frombuffer(data[dim * 64 :], dtype=np.uint8).reshape(600, -1)
    codes = np.stack([packed & 15, packed >> 4], axis=2).reshape(600, -1)[:, :codes_a_row]
    decoded = table[np.arange(codes_a_row), codes].reshape(600, dim)
    # Written anew, from Max's tables.
    levels = np.array([-0.7979, 0.7979] if numbers == 4 else [-1.510, -0.4528, 0.4528, 1.510])
    spread = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    expected = levels[np.abs(spread[:, :, None] - levels).argmin(axis=2)] * rows.std(axis=0) + rows.mean(axis=0)
    assert decoded == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("dim", [1_024 + 2, 4_096, 257, 771])
def test_vectors_too_long_for_codes_are_all_looked_at(tmp_path: Path, dim: int) -> None:
    rows = unit_rows(300, dim)
    assert numbers_a_code(dim) == 0
    assert write_passages(tmp_path / "exact", rows, rows[:20], exact_rows=100).kind == "exact"
    assert not codes_of(tmp_path / "exact").exists()


def test_rows_in_a_file_give_the_same_index_as_rows_in_memory(tmp_path: Path) -> None:
    rows = in_clusters(3_000, 24, 60)
    rows.tofile(tmp_path / "rows")
    on_disk = RowsOnDisk(tmp_path / "rows", 24)
    assert on_disk.shape == rows.shape
    for wanted in (slice(0, 7), slice(2_990, 4_000), slice(None, None, 900), slice(5, 5), np.array([7, 0, 2_999])):
        assert np.array_equal(on_disk[wanted], rows[wanted])
    card = write_passages(tmp_path / "memory", rows, rows[:30], exact_rows=100)
    assert write_passages(tmp_path / "disk", on_disk, rows[:30], exact_rows=100) == card
    assert (tmp_path / "memory").read_bytes() == (tmp_path / "disk").read_bytes()
    assert codes_of(tmp_path / "memory").read_bytes() == codes_of(tmp_path / "disk").read_bytes()


@pytest.mark.parametrize("exact_rows", [100, 10_000])
def test_an_index_left_on_disk_finds_and_gives_back_what_one_in_memory_does(tmp_path: Path, exact_rows: int) -> None:
    rows, queries = in_clusters(2_000, 16, 40), unit_rows(5, 16, seed=2)
    card = write_passages(tmp_path / "base", rows[:1_900], rows[:30], exact_rows=exact_rows)
    write_passages(tmp_path / "tail", rows[1_900:])
    memory, disk = (
        PassageVectors(tmp_path / "base", tmp_path / "tail", [3], candidates=card.candidates, in_memory=held)
        for held in (True, False)
    )
    for query in queries:
        assert memory.search(query, 50) == disk.search(query, 50)
        assert memory.search(query, 5, [3, 4, 1_950]) == disk.search(query, 5, [3, 4, 1_950])
    assert np.array_equal(memory.rows([0, 1_899, 1_900]), disk.rows([0, 1_899, 1_900]))
    assert np.array_equal(np.concatenate(list(memory.tail())), np.concatenate(list(disk.tail())))


# Writes an index of rows in a file, bounded to so many MiB of memory beyond what the libraries take.
_BOUNDED = """
import resource, sys
from pathlib import Path
from index.vector_writer import write_passages
from index.vectors import RowsOnDisk

folder, dim, exact_rows, room = Path(sys.argv[1]), *map(int, sys.argv[2:])
rows = RowsOnDisk(folder / "rows", dim)
write_passages(folder / "small", rows[:400], rows[:20], exact_rows=200)  # starts the threads, which count as well
(taken,) = [int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmData")]
resource.setrlimit(resource.RLIMIT_DATA, ((taken + room) << 20,) * 2)
print(write_passages(folder / "index", rows, rows[:20], exact_rows=exact_rows).kind)
"""


@pytest.mark.parametrize(("kind", "exact_rows", "room"), [("exact", 500_000, 64), ("codes", 1_000, 128)])
def test_an_index_larger_than_memory_is_written(tmp_path: Path, kind: str, exact_rows: int, room: int) -> None:
    dim, n = 1_024, 80_000  # 312 MiB of vectors
    block = unit_rows(1_000, dim)
    with (tmp_path / "rows").open("wb") as stream:
        for i in range(n // len(block)):
            stream.write(np.roll(block, i, axis=1).tobytes())
    command = [sys.executable, "-c", _BOUNDED, *map(str, (tmp_path, dim, exact_rows, room))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (f"{kind}\n", 0), done.stderr
    assert n * dim * 4 > 2 * room << 20
    half = 2 if kind == "codes" else 4
    assert (tmp_path / "index").stat().st_size > n * dim * half


def test_no_more_rows_than_a_block_tell_how_numbers_are_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.vector_writer._BLOCK_BYTES", 1_000 * 16 * 4)
    rows = in_clusters(3_999, 16, 50)
    asked: list[Any] = []

    class Noting(RowsOnDisk):
        def __getitem__(self, rows: Any) -> Matrix:
            asked.append(rows)
            return super().__getitem__(rows)

    rows.tofile(tmp_path / "rows")
    write_passages(tmp_path / "coded", Noting(tmp_path / "rows", 16), rows[:20], exact_rows=100)
    (sampled,) = (one for one in asked if one.step)
    assert 500 <= len(range(len(rows))[sampled]) <= 1_000


def test_a_block_of_a_long_file_costs_what_the_block_does(tmp_path: Path) -> None:
    dim, n = 1, 50_000_000  # a file of holes
    with (tmp_path / "rows").open("wb") as stream:
        stream.truncate(n * dim * 4)
    on_disk = RowsOnDisk(tmp_path / "rows", dim)
    tracemalloc.start()
    try:
        assert on_disk[n - 10 : n].shape == on_disk[:: n // 10].shape == on_disk[np.arange(10)].shape == (10, dim)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_ends_before_its_rows_do_is_an_error(tmp_path: Path) -> None:
    unit_rows(10, 8).tofile(tmp_path / "rows")
    on_disk = RowsOnDisk(tmp_path / "rows", 8)
    with (tmp_path / "rows").open("r+b") as stream:
        stream.truncate(9 * 32 + 7)
    assert on_disk[:9].shape == (9, 8)
    for wanted in (slice(0, 10), slice(0, 10, 3), np.array([9])):
        with pytest.raises(OSError, match="rows"):
            on_disk[wanted]
