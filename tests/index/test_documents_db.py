"""A documents.db that is gone, cannot be opened or was changed is damage, and what stands in for it is used."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from index.errors import CorruptGeneration, NeedsConfirmation
from index.generation import Generation
from index.store import Store
from tests.index.shelf import Shelf, grow, library, served
from tests.index.test_generation import rewrite_manifest


def without_documents(shelf: Shelf) -> None:
    """The live generation loses its documents.db, and its maker says that this is all there is."""
    folder = shelf.live_folder
    files = json.loads((folder / "MANIFEST.json").read_text())["files"]
    del files["documents.db"]
    (folder / "documents.db").unlink()
    digest = rewrite_manifest(folder, files=files)
    shelf.layout.current.write_text(f"{folder.name} {digest}\n")


def test_a_generation_without_documents_is_damaged_and_the_one_before_is_served(two: Shelf) -> None:
    without_documents(two)
    with pytest.raises(CorruptGeneration, match=r"documents\.db cannot be opened"):
        Generation(two.live_folder)
    with library(two) as opened:
        assert served(opened)[0] == "000001"
        assert opened.corrupt == 1
    assert two.build().published


def test_a_build_passes_over_a_list_of_documents_that_cannot_be_opened(
    empty_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone from the folder is asked about by the newest list that can be read."""
    for number in range(12):
        empty_shelf.write(f"{number}.txt", f"Entry {number} of the log.")
    empty_shelf.build()
    grow(empty_shelf, 1)
    for name in empty_shelf.layout.names():
        (empty_shelf.layout.generation(name) / "vectors.faiss").write_bytes(b"junk")
    real = sqlite3.connect
    newest = f"{empty_shelf.live}/documents.db"

    def refusing(database: str | Path, **options: Any) -> sqlite3.Connection:
        if newest in str(database):
            raise sqlite3.OperationalError("unable to open database file")
        opened: sqlite3.Connection = real(database, **options)
        return opened

    monkeypatch.setattr(sqlite3, "connect", refusing)
    for number in range(6):
        (empty_shelf.source / f"{number}.txt").unlink()
    with pytest.raises(NeedsConfirmation) as caught:
        empty_shelf.build()
    assert caught.value.served == 12


@pytest.mark.parametrize(("column", "value"), [("n_tokens", 1), ("key", b"of another passage")])
def test_a_digest_covers_what_the_next_build_takes_over(shelf: Shelf, column: str, value: object) -> None:
    with closing(sqlite3.connect(shelf.live_folder / "documents.db")) as db, db:
        db.execute(f"UPDATE passages SET {column} = ?", (value,))
    with closing(Store(shelf.live_folder / "documents.db")) as store, pytest.raises(CorruptGeneration):
        store.content(0)
