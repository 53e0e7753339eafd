"""A generation that was held back, and is accepted: once it is published, nothing says that it is not."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from index.build import build
from index.errors import DiskFull
from index.generation import accept
from index.manifest import read_manifest
from index.types import GateOutcome
from tests.fakes import FakeEncoder
from tests.index.shelf import Shelf, library, served


def held_back(shelf: Shelf) -> str:
    """A generation that did not pass its gate; its name when it is published."""
    shelf.write("nets.txt", "Nets are mended on Mondays.")
    report = build(shelf.options(), FakeEncoder(), gate=lambda *_: GateOutcome("strict", passed=False))
    assert not report.published
    return read_manifest(shelf.layout.held).name


def test_what_is_accepted_is_accepted_though_nothing_can_be_tidied_up(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = held_back(shelf)

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "x")

    monkeypatch.setattr("index.generation.collect", fails)
    assert accept(shelf.layout) == shelf.live == name


def test_published_and_perhaps_not_for_good_is_not_called_unchanged(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails once CURRENT has its new content, before the folder is made to last."""
    name = held_back(shelf)

    def fails(folder: Path) -> None:
        if folder == shelf.data:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr("index.files.fsync", fails)
    with pytest.raises(DiskFull, match="The index served is whole"):
        accept(shelf.layout)
    with library(shelf) as opened:
        assert served(opened)[0] == name
