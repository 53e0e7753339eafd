"""Files that cannot be indexed are left out with a reason, and what was served of them stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index.errors import SourceError
from index.parse import Limits
from index.types import Skipped
from tests.index.shelf import BROKEN_PDF, TIDES, Shelf


def test_a_broken_file_is_skipped_with_a_reason_and_the_others_are_indexed(empty_shelf: Shelf) -> None:
    empty_shelf.write("broken.pdf", BROKEN_PDF)
    empty_shelf.write("blank.txt", " \n\n")
    empty_shelf.write("tides.txt", TIDES)
    (empty_shelf.source / "link.txt").symlink_to("tides.txt")
    report = empty_shelf.build()
    reasons = [(skip.source, skip.reason) for skip in report.skipped]
    assert reasons == [("blank.txt", "empty"), ("broken.pdf", "corrupt"), ("link.txt", "symlink")]
    assert set(empty_shelf.texts()) == {"tides.txt"}


def test_a_broken_file_is_not_parsed_again_until_it_changes(shelf: Shelf, parsed: list[bytes]) -> None:
    shelf.write("broken.pdf", BROKEN_PDF)
    first = shelf.build()
    assert parsed == [BROKEN_PDF]
    again = shelf.build()
    assert parsed == [BROKEN_PDF]
    assert (again.published, again.skipped) == (False, first.skipped)
    shelf.write("broken.pdf", BROKEN_PDF + b" still")
    shelf.build()
    assert len(parsed) == 2


def test_a_raised_limit_lets_a_file_in_that_was_left_out(empty_shelf: Shelf) -> None:
    empty_shelf.write("tides.txt", TIDES)
    empty_shelf.write("long.txt", "A long story. " * 100)
    report = empty_shelf.build(limits=Limits(max_text_chars=1000))
    assert [(skip.source, skip.reason) for skip in report.skipped] == [("long.txt", "text_too_large")]
    assert empty_shelf.build().added == ("long.txt",)


def test_a_file_that_no_longer_parses_keeps_its_last_good_version(shelf: Shelf) -> None:
    shelf.write("table.csv", "port,depth\nOslo,12\n")
    shelf.build()
    table = shelf.texts()["table.csv"]
    with shelf.open() as generation:
        (before,) = (doc for doc in generation.store.documents() if doc.source == "table.csv")
    shelf.write("table.csv", b"\x7fELF\x00\x00\x00\x00" * 40)
    report = shelf.build()
    assert [(skip.source, skip.reason) for skip in report.skipped] == [("table.csv", "binary")]
    assert (report.stale, report.changed, report.deleted) == (("table.csv",), (), ())
    assert shelf.texts()["table.csv"] == table

    shelf.write("nets.txt", "Nets are mended.")  # it stays so over further builds, as it was
    assert shelf.build().stale == ("table.csv",)
    with shelf.open() as generation:
        (after,) = (doc for doc in generation.store.documents() if doc.source == "table.csv")
    assert replace(after, warnings=()) == before
    assert after.warnings == ("stale: binary",)

    shelf.write("table.csv", "port,depth\nOslo,13\n")
    report = shelf.build()
    assert (report.stale, report.changed, report.skipped) == ((), ("table.csv",), ())


def test_a_file_that_is_now_empty_is_not_served(shelf: Shelf) -> None:
    shelf.write("tides.txt", "")
    report = shelf.build()
    assert (report.deleted, report.stale) == (("tides.txt",), ())
    assert report.skipped == (Skipped("tides.txt", "empty", "the file holds no text"),)


def test_a_file_that_grew_beyond_the_limit_keeps_its_last_version(shelf: Shelf) -> None:
    shelf.write("tides.txt", TIDES * 100)
    report = shelf.build(max_file_bytes=1000)
    assert (report.stale, report.deleted) == (("tides.txt",), ())
    assert shelf.texts()["tides.txt"] == TIDES


def test_a_folder_that_cannot_be_opened_deletes_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.write("notes/nets.txt", "Nets are mended.")
    shelf.write("notes-2.txt", "Not below it.")
    shelf.build()
    (shelf.source / "notes-2.txt").unlink()
    scandir = os.scandir

    def refuse(folder: Any) -> Any:
        if isinstance(folder, bytes) and folder.endswith(b"/notes"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("index.walk.os.scandir", refuse)
    report = shelf.build()
    assert (report.stale, report.deleted) == (("notes/nets.txt",), ("notes-2.txt",))
    assert [(skip.source, skip.reason) for skip in report.skipped] == [("notes", "unreadable")]
    assert "notes/nets.txt" in shelf.texts()
    monkeypatch.undo()
    report = shelf.build()
    assert (report.stale, report.unchanged, shelf.embedded) == ((), 4, [])


def _empty(source: Path) -> None:
    for path in source.iterdir():
        path.unlink()


def _remove(source: Path) -> None:
    source.rename(source.with_name("aside"))


def _only_broken(source: Path) -> None:
    _empty(source)
    (source / "broken.pdf").write_bytes(BROKEN_PDF)


@pytest.mark.parametrize("damage", [_empty, _remove, _only_broken])
def test_a_folder_without_documents_is_refused_and_the_index_kept(shelf: Shelf, damage: Callable[[Path], None]) -> None:
    damage(shelf.source)
    before = shelf.files()
    for full in (False, True):
        with pytest.raises(SourceError):
            shelf.build(full=full)
    assert shelf.files() == before
    assert shelf.ask("When does the tide turn?")[0].passage.text == TIDES
