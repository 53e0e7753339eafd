"""What is said before a build of the room it needs is about what it then takes; a small folder is never refused."""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from index.build import build
from index.errors import DiskFull
from index.extend import base_of, no_base
from index.generation import Generation, read_current
from index.room import estimate
from index.walk import walk
from tests.fakes import FakeEncoder
from tests.index.shelf import BROKEN_PDF, Shelf
from tests.index.test_generation import rewrite_manifest

WORDS = ("the", "tide", "turns", "noon", "boats", "wait", "inner", "basin", "ropes", "hemp", "lamps", "lit", "quay")


def prose(seed: int, sentences: int = 150) -> str:
    """Sentences of some twenty words, ten a paragraph."""
    chance = random.Random(seed)
    lines = [" ".join(chance.choices(WORDS, k=chance.randint(10, 30))).capitalize() + "." for _ in range(sentences)]
    return "\n\n".join(" ".join(lines[start : start + 10]) for start in range(0, sentences, 10))


def encoder() -> FakeEncoder:
    """As wide as the default one."""
    return FakeEncoder(dim=384, window=256)


def size(folder: Path) -> int:
    """Bytes below a folder; a file with two names counts once, and one that goes meanwhile does not."""
    sizes: dict[int, int] = {}
    for path in folder.rglob("*"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        sizes[found.st_ino] = found.st_size
    return sum(sizes.values())


def taken_by(shelf: Shelf, **options: Any) -> int:
    """How many bytes a build adds to the data folder while it runs, as seen at each step of its progress."""
    before, most, lock = size(shelf.data), 0, threading.Lock()

    def look(phase: str, done: int, total: int) -> None:
        nonlocal most
        with lock:
            most = max(most, size(shelf.data) - before)

    assert build(shelf.options(**options), encoder(), look).published
    return most


def estimated(shelf: Shelf, *, extends: bool = False) -> int:
    files, _ = walk(shelf.source, exclude=shelf.data, max_bytes=10**9)
    if not shelf.layout.current.exists():
        return estimate(files, None, no_base(shelf.data), encoder())
    generation = Generation(shelf.layout.generation(shelf.live), read_current(shelf.layout)[1])
    try:
        base = base_of(generation) if extends else no_base(shelf.data)
        return estimate(files, generation, base, encoder())
    finally:
        generation.close()


@pytest.fixture
def library(empty_shelf: Shelf) -> Shelf:
    for number in range(10):
        empty_shelf.write(f"{number}.txt", prose(number))
    return empty_shelf


def test_what_a_build_takes_is_about_what_was_said(library: Shelf) -> None:
    said, taken = estimated(library), taken_by(library)
    assert taken / 1.5 < said < 2 * taken, "the first build"
    library.write("3.txt", prose(33))
    said, taken = estimated(library), taken_by(library, extend_from=10**9)
    assert taken / 1.5 < said < 2 * taken, "an update that writes everything anew"
    library.write("4.txt", prose(44, sentences=20))
    said, taken = estimated(library), taken_by(library, extend_from=10**9)
    assert taken / 1.5 < said < 2 * taken, "an update that embeds little"


def test_an_update_that_extends_takes_what_the_change_takes(library: Shelf) -> None:
    whole = taken_by(library)
    library.write("new.txt", prose(99, sentences=5))
    said, taken = estimated(library, extends=True), taken_by(library, extend_from=1)
    assert taken / 1.5 < said < 2 * taken
    assert said < whole / 3


def test_a_format_is_known_by_what_it_came_to_before(library: Shelf) -> None:
    """A page that is mostly markup makes less of an index than its size says, once one has been seen."""
    page = "<html><body>" + "<div class='not read'></div>" * 2000 + f"<p>{prose(1, 10)}</p></body></html>"
    library.write("page.html", page)
    library.build(encoder())
    without = estimated(library)
    library.write("another.html", page.replace("tide", "time"))
    assert 0 < estimated(library) - without < len(page)
    library.write("first.md", page)  # none has been seen yet
    assert estimated(library) - without > 3 * len(page)


def test_what_is_known_to_hold_nothing_is_not_counted(library: Shelf) -> None:
    library.build(encoder())
    before = estimated(library)
    library.write("noise.txt", bytes(range(256)) * 4_000)
    assert estimated(library) > 2 * before
    library.build(encoder())
    assert estimated(library) == before


def test_files_that_were_only_touched_or_renamed_count_for_nothing(library: Shelf) -> None:
    library.write("broken.pdf", BROKEN_PDF)
    library.build(encoder())
    before = estimated(library)
    for number, path in enumerate(sorted(library.source.iterdir())):  # as a fresh checkout has them
        path.rename(library.source / f"of-another-name-{number}{path.suffix}")
        shutil.copyfile(library.source / f"of-another-name-{number}{path.suffix}", path)
        (library.source / f"of-another-name-{number}{path.suffix}").unlink()
    assert estimated(library) == before
    for path in sorted(library.source.iterdir()):
        path.rename(path.with_stem(f"renamed-{path.stem}"))
    assert estimated(library) == before
    new = library.write("new.txt", prose(77))
    assert estimated(library) > before + new.stat().st_size


def test_copies_count_once(library: Shelf) -> None:
    before = estimated(library)
    for number in range(50):
        library.write(f"copy-{number}.txt", prose(3))
    assert estimated(library) == before


@pytest.mark.parametrize("suffix", ["eml", "docx", "pptx", "xlsx", "epub"])
def test_what_may_be_pictures_and_attachments_is_not_taken_for_text(empty_shelf: Shelf, suffix: str) -> None:
    path = empty_shelf.write(f"large.{suffix}", bytes(1_000_000))
    assert 0 < estimated(empty_shelf) < path.stat().st_size / 2


def fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that says it has no room; none so full is at hand on every machine."""
    monkeypatch.setattr("index.room.shutil.disk_usage", lambda _: (10**12, 10**12, 0))


def test_one_who_knows_better_may_have_the_build_go_on(library: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(monkeypatch)
    with pytest.raises(DiskFull, match="FOOTNOTE_CHECK_ROOM=false"):
        library.build()
    assert library.build(check_room=False).published


def test_an_index_of_an_older_format_is_built_anew_whatever_the_disk_says(
    library: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.build()
    digest = rewrite_manifest(library.live_folder, format=2)
    library.layout.current.write_text(f"{library.live} {digest}\n")
    fill(monkeypatch)
    assert library.build().published
    library.write("0.txt", prose(55))
    with pytest.raises(DiskFull):
        library.build()
