"""Fixtures of the tests of index/."""

from __future__ import annotations

from pathlib import Path

import pytest

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
