"""When much of the folder is gone at once, nothing is deleted until somebody says that it is to go."""

from __future__ import annotations

import shutil

import pytest

from index.errors import NeedsConfirmation, SourceError
from tests.index.shelf import Shelf

COUNT = 20


@pytest.fixture
def library(empty_shelf: Shelf) -> Shelf:
    """Twenty documents, indexed as generation 000001."""
    for number in range(COUNT):
        empty_shelf.write(f"{number:02d}.txt", f"Boat {number} lies at quay {number}. It is painted blue.")
    empty_shelf.build()
    return empty_shelf


def delete(shelf: Shelf, count: int) -> None:
    for number in range(count):
        (shelf.source / f"{number:02d}.txt").unlink()


def test_more_than_a_third_gone_stops_the_build_and_the_old_index_serves(library: Shelf) -> None:
    delete(library, 7)
    with pytest.raises(NeedsConfirmation, match="7 of the 20 documents") as caught:
        library.build()
    assert "--confirm-deletions" in caught.value.remedy
    assert (library.live, len(library.texts())) == ("000001", COUNT)
    assert library.ask("Where does boat 3 lie?")[0].passage.document.source == "03.txt"


def test_confirmed_they_go(library: Shelf) -> None:
    delete(library, 7)
    report = library.build(confirm_deletions=True)
    assert (report.published, len(report.deleted), len(library.texts())) == (True, 7, 13)
    assert library.build().published is False  # it is asked once


def test_fewer_are_deleted_without_a_word(library: Shelf) -> None:
    delete(library, 6)
    assert len(library.build().deleted) == 6


def test_an_empty_folder_deletes_nothing(library: Shelf) -> None:
    """As a mount point is when nothing is mounted on it."""
    for full in (False, True):
        shutil.rmtree(library.source)
        library.source.mkdir()
        with pytest.raises(NeedsConfirmation, match="20 of the 20"):
            library.build(full=full)
    shutil.rmtree(library.source)
    with pytest.raises(SourceError, match="cannot be opened"):
        library.build()
    assert (library.live, len(library.texts())) == ("000001", COUNT)


def test_files_that_were_all_emptied_are_asked_about_too(library: Shelf) -> None:
    for path in library.source.iterdir():
        path.write_bytes(b"")
    with pytest.raises(NeedsConfirmation):
        library.build()


def test_the_whole_anew_asks_as_well(library: Shelf) -> None:
    delete(library, 7)
    with pytest.raises(NeedsConfirmation):
        library.build(full=True)
    assert library.build(full=True, confirm_deletions=True).documents == 13


def test_a_renamed_folder_is_not_gone(library: Shelf) -> None:
    (library.source / "moved").mkdir()
    for path in list(library.source.glob("*.txt")):
        path.rename(library.source / "moved" / path.name)
    report = library.build()
    assert (len(report.renamed), report.deleted, library.embedded) == (COUNT, (), [])


def test_what_cannot_be_read_is_not_gone(library: Shelf) -> None:
    for path in list(library.source.glob("*.txt"))[:12]:
        path.write_bytes(b"\x00" * 50)
    report = library.build()
    assert (len(report.stale), report.deleted) == (12, ())


def test_a_plan_says_what_would_go(library: Shelf) -> None:
    delete(library, 15)
    assert len(library.build(plan=True).deleted) == 15


def test_a_small_folder_is_not_asked_about(shelf: Shelf) -> None:
    for name in ("tides.txt", "lamps.txt"):
        (shelf.source / name).unlink()
    assert shelf.build().deleted == ("lamps.txt", "tides.txt")


def test_where_no_generation_is_whole_any_more_it_is_asked_too(library: Shelf) -> None:
    """What is damaged cannot be served, and its list of documents can still be read."""
    path = library.live_folder / "vectors.faiss"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    delete(library, 7)
    with pytest.raises(NeedsConfirmation, match="7 of the 20 documents"):
        library.build()
    assert library.build(confirm_deletions=True).documents == 13
