"""Passages are embedded while files are still parsed; nothing else about a build is different for that."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from index.build import build
from index.errors import NeedsConfirmation
from index.types import EncodedPassage
from index.walk import FoundFile, Stat, read
from tests.fakes import FakeEncoder
from tests.index.shelf import Shelf

_PATIENCE_S = 20


def ships(first: int, count: int) -> str:
    """As many passages as ships, no two alike."""
    return "\n\n".join(
        f"# Ship {i}\n\nShip {i} left the harbour with {i * 7} barrels. Its captain was called {i}."
        for i in range(first, first + count)
    )


class Watched(FakeEncoder):
    """Says when it was first asked for a passage."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        self.began.set()
        return super().encode_passage(text, sentences)


def files_of(shelf: Shelf) -> dict[str, bytes]:
    """The files of the live generation that vectors are in."""
    return {name: (shelf.live_folder / name).read_bytes() for name in ("vectors.faiss", "sentences.f16")}


def test_the_second_file_is_read_while_the_first_is_embedded(
    empty_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Watched()
    waited: list[bool] = []

    def waiting(root: Path, file: FoundFile, *, max_bytes: int) -> tuple[bytes, Stat]:
        if file.source == "b.md":
            waited.append(encoder.began.wait(_PATIENCE_S))
        return read(root, file, max_bytes=max_bytes)

    monkeypatch.setattr("index.ingest.read", waiting)
    empty_shelf.write("a.md", ships(0, 3))
    empty_shelf.write("b.md", ships(3, 3))
    empty_shelf.build(encoder)
    assert waited == [True]


@pytest.mark.parametrize("in_flight", [0, 1, 7, 1_000])
@pytest.mark.parametrize("threads", [1, 3])
def test_each_passage_is_embedded_once_and_the_index_is_the_same(
    empty_shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_flight: int, threads: int
) -> None:
    for i in range(4):
        empty_shelf.write(f"{i}.md", ships(50 * i, 50))
    other = Shelf(empty_shelf.source, tmp_path / "other")
    monkeypatch.setattr("index.ahead.IN_FLIGHT", 0)  # nothing is embedded ahead
    expected = other.build()
    monkeypatch.setattr("index.ahead.IN_FLIGHT", in_flight)
    report = empty_shelf.build(threads=threads)
    assert len(empty_shelf.embedded) == len(set(empty_shelf.embedded)) == report.passages_embedded == 200
    assert (report.passages, report.passages_reused) == (expected.passages, 0)
    assert files_of(empty_shelf) == files_of(other)
    assert not empty_shelf.layout.journal.exists()


def test_progress_of_embedding_begins_with_what_is_done_and_ends_with_all(empty_shelf: Shelf) -> None:
    empty_shelf.write("a.md", ships(0, 40))
    told: list[tuple[int, int]] = []

    def progress(phase: str, done: int, total: int) -> None:
        if phase == "embedding":
            told.append((done, total))

    build(empty_shelf.options(), FakeEncoder(), progress)
    assert told == sorted(told)
    assert list(dict.fromkeys(told)) == [(done, 40) for done in range(told[0][0], 41)]


def test_what_was_embedded_for_a_build_that_was_refused_is_not_embedded_again(empty_shelf: Shelf) -> None:
    for i in range(12):
        empty_shelf.write(f"{i}.md", ships(i, 1))
    empty_shelf.build()
    for i in range(6):
        (empty_shelf.source / f"{i}.md").unlink()
    empty_shelf.write("new.md", ships(100, 30))
    with pytest.raises(NeedsConfirmation):
        empty_shelf.build()
    embedded = list(empty_shelf.embedded)
    report = empty_shelf.build(confirm_deletions=True)
    assert embedded
    assert (report.passages_embedded, len(empty_shelf.embedded)) == (30 - len(embedded), 30 - len(embedded))


def test_a_plan_embeds_nothing(empty_shelf: Shelf) -> None:
    empty_shelf.write("a.md", ships(0, 30))
    plan = empty_shelf.build(plan=True)
    assert (plan.passages_embedded, empty_shelf.embedded) == (30, [])


def test_an_encoder_that_fails_ends_the_build_and_what_was_served_is_served(empty_shelf: Shelf) -> None:
    class Broken(FakeEncoder):
        def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
            raise RuntimeError("no memory")

    empty_shelf.write("a.md", ships(0, 2))
    empty_shelf.build()
    empty_shelf.write("b.md", ships(2, 80))
    with pytest.raises(RuntimeError, match="no memory"):
        empty_shelf.build(Broken())
    assert list(empty_shelf.texts()) == ["a.md"]
