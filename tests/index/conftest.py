"""Fixtures of the tests of index/."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.parse.sandbox import Sandbox
from index.types import Parsed
from index.walk import FoundFile, Stat, read
from tests.index.shelf import LAMPS, ROPES, TIDES, Shelf


@pytest.fixture
def empty_shelf(tmp_path: Path) -> Shelf:
    source = tmp_path / "documents"
    source.mkdir()
    return Shelf(source, tmp_path / "data")


@pytest.fixture
def shelf(empty_shelf: Shelf) -> Shelf:
    """Three documents, indexed as generation 000001."""
    empty_shelf.write("tides.txt", TIDES)
    empty_shelf.write("lamps.txt", LAMPS)
    empty_shelf.write("ropes.txt", ROPES)
    empty_shelf.build()
    return empty_shelf


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sources of the files read from now on."""
    seen: list[str] = []
    real = read

    def noting(root: Path, file: FoundFile, *, max_bytes: int) -> tuple[bytes, Stat]:
        seen.append(file.source)
        return real(root, file, max_bytes=max_bytes)

    monkeypatch.setattr("index.ingest.read", noting)
    return seen


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The contents parsed from now on."""
    seen: list[bytes] = []
    real = Sandbox.parse

    def noting(self: Sandbox, data: bytes, suffix: str) -> Parsed:
        seen.append(data)
        return real(self, data, suffix)

    monkeypatch.setattr(Sandbox, "parse", noting)
    return seen


@pytest.fixture
def two(shelf: Shelf) -> Shelf:
    """Two generations; only the second, which is live, knows of nets."""
    shelf.write("nets.txt", "Nets are mended on Mondays.")
    shelf.build()
    return shelf
