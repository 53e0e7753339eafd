"""What any file system may make of a power cut, not only the one at hand.

POSIX promises little: bytes of a file that was not synced may be there, in part or not at all; a name that was made,
removed or replaced may be so on disk only once its folder was synced. At each step of a build a few of the states that
this allows are made, each choice by the toss of a coin, and at first the one in which nothing but what was synced is
left. Every one has to open as the old index or the new one, and as the new one once it was published.

Renaming is taken apart too: the old name and the new one may both be there, or neither, until the folder is synced."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import index.build
import index.generation
from index.errors import FootnoteError
from index.live import Library
from index.manifest import verify
from tests.faults.campaign import Campaigns
from tests.index.shelf import Shelf

Entries = dict[str, int]  # names in a folder and their inodes
STATES = 2  # made at each step, beside the one with what was synced alone


@dataclass
class Journal:
    """Sees every sync and every new folder, and knows what is durable by then. Told to, it forgets some syncs."""

    disk: Path
    kept: Path  # a second name for each file known, so that no inode is used for another file
    without: str = ""
    contents: dict[int, bytes] = field(default_factory=dict)  # of files, as last synced
    folders: dict[int, Entries] = field(default_factory=dict)

    def all_is_durable(self) -> None:
        for path in (self.disk, *self.disk.rglob("*")):
            self.synced(path)

    def synced(self, path: Path) -> None:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            self.folders[found.st_ino] = entries(path)
        else:
            self.contents[found.st_ino] = path.read_bytes()
            if not (self.kept / str(found.st_ino)).exists():
                os.link(path, self.kept / str(found.st_ino))

    def on_sync(self, handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if self.without == "every sync" or (self.without == "syncs of folders" and path.is_dir()):
            return
        if path.is_relative_to(self.disk):
            self.synced(path)

    def on_new_folder(self, path: Path) -> None:
        self.folders[path.stat().st_ino] = {}

    def after_a_cut(self, to: Path, chance: random.Random | None) -> None:
        """One state that the disk may be in, made as a new folder; without chance, only what is durable."""
        now = {path.stat().st_ino: path for path in self.disk.rglob("*")}
        self._make(self.disk.stat().st_ino, {**now, self.disk.stat().st_ino: self.disk}, to, chance)

    def _make(self, inode: int, now: dict[int, Path], to: Path, chance: random.Random | None) -> None:
        to.mkdir()
        durable = self.folders.get(inode, {})
        current = entries(now[inode]) if inode in now else {}
        for name in sorted(durable.keys() | current.keys()):
            chosen = (current if chance is not None and chance.random() < 0.5 else durable).get(name)
            if chosen is None:
                continue
            if chosen in self.contents or (chosen in now and now[chosen].is_file()):
                (to / name).write_bytes(self._content(chosen, now, chance))
            else:
                self._make(chosen, now, to / name, chance)

    def _content(self, inode: int, now: dict[int, Path], chance: random.Random | None) -> bytes:
        durable = self.contents.get(inode, b"")
        current = now[inode].read_bytes() if inode in now else durable
        if chance is None or current == durable:
            return durable
        part = current[: chance.randrange(len(current) + 1)]
        return chance.choice((durable, current, part, bytes(len(current))))


def entries(folder: Path) -> Entries:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


@dataclass
class Stepped:
    """Calls ``at`` after each call that changes names or makes something durable."""

    journal: Journal
    at: Callable[[], None]

    def take_over(self, patch: pytest.MonkeyPatch) -> None:
        fsync, mkdir = os.fsync, os.mkdir

        def noted_fsync(handle: int) -> None:
            fsync(handle)
            self.journal.on_sync(handle)
            self.at()

        def noted_mkdir(path: Any, *arguments: Any, **options: Any) -> None:
            mkdir(path, *arguments, **options)
            if Path(path).is_relative_to(self.journal.disk):
                self.journal.on_new_folder(Path(path))

        patch.setattr(os, "fsync", noted_fsync)
        patch.setattr(os, "mkdir", noted_mkdir)
        for name in ("rename", "replace", "unlink"):
            patch.setattr(os, name, self._then(getattr(os, name)))

    def _then(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            self.at()
            return result

        return stepped


def texts_served(shelf: Shelf) -> dict[str, str]:
    library = Library(shelf.data, encoder="fake")
    try:
        with library.pin() as generation:
            assert (library.corrupt, library.degraded) == (0, ""), library.degraded
            verify(shelf.layout.generation(generation.name))
            return {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}
    finally:
        library.close()


def problem_of(shelf: Shelf, data: Path, allowed: list[dict[str, str]]) -> str:
    found = Shelf(shelf.source, data)
    try:
        return "" if texts_served(found) in allowed else "another index than the one published"
    except (FootnoteError, AssertionError, OSError) as error:
        return f"{type(error).__name__}: {error}"


def one_build(shelf: Shelf, where: Path, trial: int, without: str = "", **options: Any) -> tuple[list[str], int]:
    """What was wrong with the states after cuts at every step of one build, and how many states there were."""
    chance = random.Random(f"model {trial}")
    before = shelf.texts() if shelf.layout.current.exists() else None
    (where / f"kept-{trial}").mkdir()
    journal = Journal(shelf.data.parent, where / f"kept-{trial}", without)
    journal.all_is_durable()
    shelf.write(f"new-{trial % 4}.md", f"# Trial {trial}\n\nIt was written in trial {trial}.\n")
    states: list[tuple[Path, bool]] = []
    published, active = False, True

    def cut() -> None:
        nonlocal active
        if active:
            active = False  # what is done here is no step of the build
            for number in range(1 + STATES):
                to = where / f"{trial}-{len(states)}"
                journal.after_a_cut(to, chance if number else None)
                states.append((to, published))
            active = True

    publish = index.generation.publish

    def noted_publish(*arguments: Any) -> None:
        nonlocal published
        publish(*arguments)
        published = True

    with pytest.MonkeyPatch.context() as patch:
        Stepped(journal, cut).take_over(patch)
        patch.setattr(index.build, "publish", noted_publish)
        shelf.build(**options)
    after = shelf.texts()
    wrong = []
    for disk, done in states:
        if before is None and not done:
            continue  # there is nothing yet that could be lost
        problem = problem_of(shelf, disk / "data", [after] if done or before is None else [before, after])
        wrong += [f"trial {trial}, {disk.name}{', published' if done else ''}: {problem}"] if problem else []
    return wrong, len(states)


@pytest.fixture
def books(tmp_path: Path) -> Shelf:
    """Not indexed yet; the data folder will lie on a disk that the model knows all of."""
    (tmp_path / "disk").mkdir()
    shelf = Shelf(tmp_path / "documents", tmp_path / "disk" / "data")
    for number in range(12):
        shelf.write(f"{number:02d}.md", f"# Boat {number}\n\nBoat {number} lies at quay {number}.\n")
    return shelf


WAYS: dict[str, dict[str, Any]] = {"written anew": {}, "extended": {"extend_from": 5}}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_file_system_loses_that_was_not_synced(
    books: Shelf, tmp_path: Path, campaign: Campaigns, way: str
) -> None:
    total = 0
    books.build()
    with campaign("R4", f"what was not synced is lost, at every step; {way}", push=1, release=50) as trials:
        for trial in trials:
            wrong, states = one_build(books, tmp_path, trial, **WAYS[way])
            assert wrong == []
            total += states
        trials.note("states", total)


def test_a_first_index_that_was_published_stays(books: Shelf, tmp_path: Path) -> None:
    """With the folder that it made for itself."""
    wrong, states = one_build(books, tmp_path, 0)
    assert wrong == []
    assert states > 10


@pytest.mark.parametrize("without", ["every sync", "syncs of folders"])
def test_syncs_that_are_left_out_would_be_seen(books: Shelf, tmp_path: Path, campaign: Campaigns, without: str) -> None:
    """The null control."""
    books.build()
    wrong, states = one_build(books, tmp_path, 0, without)
    campaign.control("R4", f"{without}, of any file system", failed=len(wrong), of=states)
