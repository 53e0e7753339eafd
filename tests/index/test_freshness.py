"""Whether a source file is still what was indexed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from index import freshness
from index.errors import NotFound
from index.freshness import source_changed
from tests.index.shelf import TIDES, Shelf


def is_changed(shelf: Shelf) -> bool | None:
    """Whether tides.txt is."""
    with shelf.open() as generation:
        (name,) = generation.store.resolve(["tides.txt"])
        return source_changed(shelf.source, generation, name)


def test_a_file_left_alone_is_not_read(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "sha256", lambda _: pytest.fail("it was read"))
    assert is_changed(shelf) is False


def test_a_file_that_was_touched_is_the_same(shelf: Shelf) -> None:
    os.utime(shelf.source / "tides.txt", (1, 1))
    assert is_changed(shelf) is False


@pytest.mark.parametrize("text", [TIDES.replace("noon", "nine"), TIDES + "More.", ""])
def test_other_bytes_are_a_change_whatever_the_times_say(shelf: Shelf, text: str) -> None:
    path = shelf.source / "tides.txt"
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert is_changed(shelf) is True


def _remove(path: Path) -> None:
    path.unlink()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link_as_long(path: Path) -> None:
    path.unlink()
    other = path.with_name("t" * len(TIDES))  # the size of a link is the length of what it says
    other.write_text(TIDES)
    path.symlink_to(other.name)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("swap", [_remove, _fifo, _link_as_long])
def test_a_file_that_is_gone_or_something_else_is_a_change(shelf: Shelf, swap: Callable[[Path], None]) -> None:
    swap(shelf.source / "tides.txt")
    assert is_changed(shelf) is True


def test_a_file_that_cannot_be_read_is_neither(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    with shelf.open() as generation:
        (name,) = generation.store.resolve(["tides.txt"])
        monkeypatch.setattr("index.freshness.os.stat", refuse)
        assert source_changed(shelf.source, generation, name) is None


def test_a_document_nobody_knows_is_an_error(shelf: Shelf) -> None:
    with shelf.open() as generation, pytest.raises(NotFound):
        source_changed(shelf.source, generation, "0" * 20)
