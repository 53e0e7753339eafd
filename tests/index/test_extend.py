"""A large index is extended: what stays is linked, and its answers are those of an index written anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index.errors import CorruptGeneration
from index.manifest import verify
from index.search import make_query, search
from tests.fakes import FakeEncoder
from tests.index.shelf import Shelf

SUBJECTS = ["tide", "lamp", "rope", "quay", "ferry", "keeper", "hemp", "bell", "warden", "barrel", "crown", "anchor"]
EXTENDS: dict[str, Any] = {"extend_from": 20}


def page(number: int) -> str:
    """A text of three passages that no other page has."""
    one, two = SUBJECTS[number % 12], SUBJECTS[number // 12 % 12]
    return "\n\n".join(
        f"# Page {number} on the {one}\n\nThe {one} number {number} was seen by the {two} in {1500 + number + part}."
        f" It was {part} yards from the {SUBJECTS[(number + part) % 12]}, said keeper {number}."
        for part in range(3)
    )


@pytest.fixture
def pages(tmp_path: Path) -> Shelf:
    """A hundred pages, indexed; from here on every small change extends."""
    shelf = Shelf(tmp_path / "pages", tmp_path / "data")
    for number in range(100):
        shelf.write(f"{number:03}.md", page(number))
    shelf.build(**EXTENDS)
    return shelf


def linked(shelf: Shelf) -> set[str]:
    """Files of the live generation that an earlier one has too."""
    live = shelf.live_folder
    return {
        path.relative_to(live).as_posix() for path in live.rglob("*") if path.is_file() and path.stat().st_nlink > 1
    }


def clean(shelf: Shelf, tmp_path: Path) -> Shelf:
    shutil.rmtree(tmp_path / "clean", ignore_errors=True)
    other = Shelf(shelf.source, tmp_path / "clean")
    other.build()
    return other


QUESTIONS = ["Who saw the lamp number 37?", "keeper of the bell", "hemp rope", "zeppelin", "said keeper 99"]


def assert_answers_as(shelf: Shelf, other: Shelf) -> None:
    assert shelf.texts() == other.texts()
    for question in QUESTIONS:
        ours, theirs = shelf.signals(question), other.signals(question)
        assert ours.keys() == theirs.keys()
        for passage, signals in ours.items():
            assert signals[:3] == pytest.approx(theirs[passage][:3], abs=1e-5)
            # The mean length of a passage still counts those that are gone: at most one in fifty.
            assert signals[3] == pytest.approx(theirs[passage][3], rel=5e-3)


def test_one_changed_page_is_all_that_is_read_embedded_and_written(pages: Shelf, tmp_path: Path) -> None:
    before = pages.live_folder
    pages.write("050.md", page(50) + "\n\nA note was pinned here by the pilot.")
    report = pages.build(**EXTENDS)
    assert (report.changed, report.unchanged, report.published) == (("050.md",), 99, True)
    assert pages.embedded and all("pilot" in text for text in pages.embedded)
    assert {"vectors.faiss", "sentences.f16"} <= linked(pages) and any(name.endswith(".idx") for name in linked(pages))
    assert "documents.db" not in linked(pages)
    assert verify(before)  # nothing of the older generation was touched
    (hit, *_) = pages.ask("Who pinned a note?")
    assert "pilot" in hit.passage.text
    assert_answers_as(pages, clean(pages, tmp_path))


def test_however_many_small_changes_follow_each_other(pages: Shelf, tmp_path: Path) -> None:
    def changes() -> Iterator[str]:
        pages.write("new.md", page(200))
        yield "added"
        (pages.source / "003.md").unlink()
        yield "deleted"
        (pages.source / "004.md").rename(pages.source / "moved.md")
        yield "renamed"
        pages.write("copy.md", page(5))
        yield "copied"
        pages.write("new.md", page(201))
        yield "what was added, changed"
        pages.write("003.md", page(3))
        yield "restored"

    for _ in changes():
        assert pages.build(**EXTENDS).published
        assert "vectors.faiss" in linked(pages)
        assert_answers_as(pages, clean(pages, tmp_path))
    with pages.open() as generation:
        assert len(generation.rows()) == generation.manifest.counts["passages"]
        assert generation.manifest.counts["passage_rows"] > generation.manifest.counts["passages"]


def test_what_was_deleted_is_found_no_more_and_its_text_is_gone_from_the_disk(pages: Shelf) -> None:
    pages.write("secret.md", "# The Hollyhock papers\n\nThe hollyhock cipher is buried under the quay of Elsinore.")
    pages.build(**EXTENDS)
    assert any("hollyhock" in hit.passage.text for hit in pages.ask("Where is the hollyhock cipher?"))
    (pages.source / "secret.md").unlink()
    pages.build(**EXTENDS)
    assert "vectors.faiss" in linked(pages)
    assert not any("hollyhock" in hit.passage.text for hit in pages.ask("Where is the hollyhock cipher?"))
    stored = (pages.live_folder / "documents.db").read_bytes()
    assert b"Elsinore" not in stored and b"Hollyhock papers" not in stored


def test_documents_left_out_are_left_out_of_an_extended_index_too(pages: Shelf) -> None:
    pages.write("050.md", page(50) + "\n\nA note was pinned here by the pilot.")
    pages.build(**EXTENDS)
    with pages.open() as generation:
        assert len(generation.store.passages(generation.rows())) == len(generation.lexical)
        without = generation.store.resolve(["050.md"])
        hits = search(generation, [make_query("Who pinned a note?", FakeEncoder())], k=500, without=without)
        assert hits and all(hit.passage.document.source != "050.md" for hit in hits)


def test_a_large_change_is_written_anew(pages: Shelf) -> None:
    for number in range(40):
        pages.write(f"{number:03}.md", page(number + 300))
    pages.build(**EXTENDS)
    assert not linked(pages)
    with pages.open() as generation:
        assert not len(generation.vectors.gone)


def test_when_too_much_has_gone_everything_is_written_anew(pages: Shelf) -> None:
    for number in range(4):
        (pages.source / f"{number:03}.md").unlink()
        pages.build(**EXTENDS)
    with pages.open() as generation:  # the third would have made it one in thirty
        assert len(generation.vectors.gone) <= 0.02 * len(generation.vectors)


def test_a_small_index_is_written_anew(pages: Shelf) -> None:
    pages.write("new.md", page(200))
    pages.build()
    assert not linked(pages)


def test_an_extended_generation_that_is_damaged_is_not_loaded(pages: Shelf) -> None:
    pages.write("new.md", page(200))
    pages.build(**EXTENDS)
    for name in ("vectors.tail.faiss", "sentences.tail.f16", "vectors.faiss"):
        path = pages.live_folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(CorruptGeneration, match=name), pages.open():
            pass
        path.write_bytes(whole)


def test_a_generation_is_whole_after_the_one_it_shares_files_with_is_deleted(pages: Shelf) -> None:
    for number in (200, 201, 202):  # more generations than are kept
        pages.write(f"{number}.md", page(number))
        pages.build(**EXTENDS)
    assert pages.layout.names() == ["000003", "000004"]
    assert verify(pages.live_folder).counts["documents"] == 103
