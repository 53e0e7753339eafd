"""A build killed at any instant leaves the old generation or the new one, and nothing in the way of the next build.

Each push runs a few trials of each campaign; FOOTNOTE_FAULT_TRIALS asks for more."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index.errors import NoGeneration
from index.live import Library
from index.manifest import verify
from tests.index.shelf import LAMPS, ROPES, TIDES, Shelf

TRIALS = int(os.environ.get("FOOTNOTE_FAULT_TRIALS", "10"))
NEW = "Nets are mended on Mondays."

# Runs a build that ends itself, without a word, at its Nth step of the kind named.
_DIE_AT = """
import os, sys
from pathlib import Path
from index.build import build
from index.ingest import BuildOptions
from tests.fakes import FakeEncoder

source, data, kind, n = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
left = n

def dying(real):
    def wrapped(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(42)
        return real(*arguments, **options)
    return wrapped

if kind == "progress":
    progress = dying(lambda *_: None)
else:
    progress = lambda *_: None
    setattr(os, kind, dying(getattr(os, kind)))
build(BuildOptions(source, data, threads=1), FakeEncoder(), progress)
"""

# Says when it is about to begin, so that the time of its death is a time within the build; building is slowed down.
_SLOW = """
import sys, time
from pathlib import Path
from index.build import build
from index.ingest import BuildOptions
from tests.fakes import FakeEncoder

print("begins", flush=True)
build(BuildOptions(Path(sys.argv[1]), Path(sys.argv[2]), threads=1), FakeEncoder(), lambda *_: time.sleep(0.002))
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path / "documents", tmp_path / "data")
    for name, text in (("tides.txt", TIDES), ("lamps.txt", LAMPS), ("ropes.txt", ROPES)):
        made.write(name, text)
    return made


def served(shelf: Shelf, *, named: bool = True) -> dict[str, str]:
    """Every document that is served, and its text; the generation must be whole and, if ``named``, CURRENT's."""
    library = Library(shelf.data, encoder="fake")
    try:
        with library.pin() as generation:
            assert not named or (library.corrupt, library.degraded) == (0, "")
            verify(shelf.layout.generation(generation.name))
            return {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}
    finally:
        library.close()


def check(shelf: Shelf, before: dict[str, str], after: dict[str, str]) -> bool:
    """The index is the old one or the new one, and the next build ends the matter; whether it was the new one."""
    found = served(shelf)
    assert found in (before, after)
    shelf.build()
    assert served(shelf) == after
    names = {path.name for path in shelf.layout.generations.iterdir()}
    assert names == set(shelf.layout.names()), "something stray is left"
    assert not list(shelf.data.glob("*.tmp"))
    return found == after


def die_at(shelf: Shelf, kind: str, step: int) -> bool:
    """Whether the build died; False when it has fewer steps."""
    command = [sys.executable, "-c", _DIE_AT, str(shelf.source), str(shelf.data), kind, str(step)]
    code = subprocess.run(command, check=False).returncode
    assert code in (0, 42)
    return code == 42


@pytest.mark.parametrize("kind", ["replace", "rename", "fsync", "progress"])
def test_a_build_that_dies_at_a_step_leaves_the_old_index_or_the_new(shelf: Shelf, kind: str) -> None:
    shelf.build()
    before = shelf.texts()
    outcomes = []
    steps = {"replace": [0, 1], "rename": [0], "progress": [0, 4, 9]}.get(kind, [0, 5, 14, 15, 16, 17, 18])
    for step in range(1000) if TRIALS > 10 else steps:
        after = {**before, "nets.txt": f"{NEW} Trial {step}."}
        shelf.write("nets.txt", after["nets.txt"])
        died = die_at(shelf, kind, step)
        outcomes.append(check(shelf, before, after))
        assert died or outcomes[-1]
        before = after
        if not died:
            break
    assert False in outcomes


def test_a_first_build_that_dies_leaves_nothing_or_everything(shelf: Shelf) -> None:
    for step in (0, 1, 8, 16):
        assert die_at(shelf, "fsync", step)
        try:
            assert len(served(shelf, named=False)) == 3  # in its place, though not yet published
        except NoGeneration:
            assert shelf.layout.names() == []
    shelf.build()
    assert len(served(shelf)) == 3


def test_a_build_killed_at_any_time_leaves_the_old_index_or_the_new(shelf: Shelf) -> None:
    shelf.build()
    before = shelf.texts()
    chance = random.Random(20_260)
    died = 0
    for trial in range(TRIALS):
        after = {**before, "nets.txt": f"{NEW} Trial {trial}.", f"more-{trial % 3}.txt": f"More {trial}."}
        for name in set(after) - {"tides.txt", "lamps.txt", "ropes.txt"}:
            shelf.write(name, after[name])
        command = [sys.executable, "-c", _SLOW, str(shelf.source), str(shelf.data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"begins\n"
            time.sleep(chance.uniform(0.0, 0.12))
            process.kill()
        died += process.returncode != 0
        check(shelf, before, after)
        before = after
    assert died > TRIALS / 3, "the builds were over before they were killed"


def test_publishing_in_two_steps_would_be_caught(shelf: Shelf) -> None:
    """The null control: had CURRENT been written before the generation was in its place, these checks would tell."""
    shelf.build()
    shelf.layout.current.write_text(f"000002 {'0' * 64}\n")
    with pytest.raises(AssertionError):
        served(shelf)
