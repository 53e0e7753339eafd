"""A build that was interrupted goes on where it stopped."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from index.build import build
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from index.journal import Journal
from index.types import EncodedPassage
from tests.fakes import FakeEncoder

PASSAGES = 200


def keep(path: Path, *texts: str, encoder: FakeEncoder | None = None) -> None:
    journal = Journal(path, encoder or FakeEncoder())
    for text in texts:
        journal.append(key(text), FakeEncoder().encode_passage(text, [(0, len(text))]))
    journal.close()


def key(text: str) -> bytes:
    return text.encode().ljust(32, b".")


def kept(path: Path, *texts: str) -> list[bool]:
    journal = Journal(path, FakeEncoder())
    return [journal.find(key(text)) >= 0 for text in texts]


def test_what_was_kept_is_read_back_as_it_was(tmp_path: Path) -> None:
    keep(tmp_path / "journal", "The tide turns.", "A lamp burns.")
    journal = Journal(tmp_path / "journal", FakeEncoder())
    assert len(journal) == 2
    expected = FakeEncoder().encode_passage("A lamp burns.", [(0, 13)])
    found = journal.read(journal.find(key("A lamp burns.")))
    assert np.array_equal(found.passage, expected.passage)
    assert np.array_equal(found.sentences, expected.sentences.astype(np.float16))
    assert journal.find(key("Boats wait.")) == -1


def test_a_record_that_was_cut_off_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    keep(path, "The tide turns.", "A lamp burns.")
    path.write_bytes(path.read_bytes()[:-5])
    assert kept(path, "The tide turns.", "A lamp burns.") == [True, False]
    keep(path, "Boats wait.")
    assert kept(path, "The tide turns.", "A lamp burns.", "Boats wait.") == [True, False, True]


def test_a_damaged_record_and_what_follows_it_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    keep(path, "The tide turns.", "A lamp burns.", "Boats wait.")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # in the second of three records
    path.write_bytes(data)
    assert kept(path, "The tide turns.", "A lamp burns.", "Boats wait.") == [True, False, False]


@pytest.mark.parametrize("content", [b"", b"junk", b"footnote-journal-1 another-encoder 64\n", b"\0" * 500])
def test_another_encoders_journal_or_junk_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    assert kept(path, "The tide turns.") == [False]
    keep(path, "The tide turns.")
    assert kept(path, "The tide turns.") == [True]


def test_reading_writes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", FakeEncoder())
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """One long document of many passages, no two alike."""
    folder = tmp_path / "documents"
    folder.mkdir()
    text = "\n\n".join(
        f"Ship {i} left the harbour with {i * 7} barrels. Its captain was called {i}." for i in range(PASSAGES * 2)
    )
    (folder / "ships.txt").write_text(text, "utf-8")
    return folder


class Failing(FakeEncoder):
    """Breaks down after some passages: as an exception, or taking the process with it."""

    def __init__(self, after: int, deadly: bool = False) -> None:
        super().__init__()
        self._left = after
        self._deadly = deadly

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        self._left -= 1
        if self._left < 0:
            if self._deadly:
                os._exit(9)
            raise RuntimeError("out of memory")
        return super().encode_passage(text, sentences)


def die_building(source: Path, data: Path) -> None:
    build(BuildOptions(source, data, threads=1), Failing(150, deadly=True))


def vectors(data: Path) -> tuple[bytes, bytes]:
    name, digest = read_current(Layout(data))
    generation = Generation(Layout(data).generation(name), digest)
    found = (
        generation.vectors.rows(range(len(generation.vectors))).tobytes(),
        generation.sentences.rows(0, 10**6).tobytes(),
    )
    generation.close()
    return found


@pytest.mark.parametrize("deadly", [False, True])
def test_what_was_embedded_before_the_end_is_not_embedded_again(source: Path, tmp_path: Path, deadly: bool) -> None:
    data = tmp_path / "data"
    if deadly:
        child = multiprocessing.get_context("spawn").Process(target=die_building, args=(source, data))
        child.start()
        child.join(60)
        assert child.exitcode == 9
        child.close()
    else:
        with pytest.raises(RuntimeError, match="out of memory"):
            build(BuildOptions(source, data, threads=1), Failing(150))
    second = FakeEncoder()
    report = build(BuildOptions(source, data), second)
    assert report.passages > 150
    # A killed build has lost what was in flight.
    assert len(second.encoded) == report.passages_embedded <= report.passages - (150 - 2 * 64)
    assert not (data / "embedding.journal").exists()
    clean = tmp_path / "clean"
    build(BuildOptions(source, clean), FakeEncoder())
    assert vectors(data) == vectors(clean)


def test_a_full_build_takes_nothing_from_the_journal(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(RuntimeError):
        build(BuildOptions(source, data, threads=1), Failing(150))
    encoder = FakeEncoder()
    report = build(BuildOptions(source, data, full=True), encoder)
    assert len(encoder.encoded) == report.passages


def test_a_plan_counts_what_the_journal_spares_and_leaves_it(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(RuntimeError):
        build(BuildOptions(source, data, threads=1), Failing(150))
    before = (data / "embedding.journal").read_bytes()
    plan = build(BuildOptions(source, data, plan=True), FakeEncoder())
    assert 0 < plan.passages_embedded < plan.passages
    assert (data / "embedding.journal").read_bytes() == before
