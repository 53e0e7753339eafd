"""The power goes at any instant of a build: the disk then holds the old index or the new one, whole.

The data folder lies on an ext4 of its own. The builder halts at a step chosen at random, and what its block device
holds then is copied: that is what a disk holds after a power cut that loses nothing it has acknowledged, and everything
that the kernel still had in memory is lost. Half of the time another program on the disk syncs a file of its own first,
which makes the file system commit names before bytes. The copy is mounted, which replays the journal, and opened.

A disk that loses what it has acknowledged, or orders writes across a flush, is not what this stands for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from index.errors import FootnoteError
from index.live import Library
from index.manifest import verify
from tests.faults.campaign import Campaigns
from tests.faults.disks import Disk, needs, no_ext4
from tests.index.shelf import LAMPS, ROPES, TIDES, Shelf

# How the file system is set. The second and third keep less order than the default: bytes may follow names.
OPTIONS = ("", "data=writeback", "data=writeback,noauto_da_alloc,commit=1")
STEPS = 40  # a build has about as many

# Builds when told to, and halts after the Nth call of any that changes what is on disk, and when it has published.
_BUILDER = """
import json, os, sys
from pathlib import Path
import index.build
from index.ingest import BuildOptions
from tests.fakes import FakeEncoder

left, without, syncs = -1, "", os.fsync

def halt(what):
    print(what, flush=True)
    sys.stdin.readline()

def step(real):
    def stepped(*arguments, **options):
        global left
        result = real(*arguments, **options)
        left -= 1
        if left == -1:
            halt("halted")
        return result
    return stepped

def fsync(handle):
    if without == "every sync" or (without == "syncs of folders" and os.path.isdir(f"/proc/self/fd/{handle}")):
        return
    syncs(handle)

publish = index.build.publish
def publishing(*arguments):
    publish(*arguments)
    halt("published")

os.fsync = fsync
for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "truncate"):
    setattr(os, name, step(getattr(os, name)))
index.build.publish = publishing
source, data = Path(sys.argv[1]), Path(sys.argv[2])
for line in sys.stdin:
    left, without = json.loads(line)
    index.build.build(BuildOptions(source, data, threads=1), FakeEncoder(), step(lambda *_: None))
    halt("ended")
"""


@dataclass
class Builder:
    """A process that builds the shelf's index and halts on the way."""

    process: subprocess.Popen[str]

    def build(self, halt_after: int, without: str = "") -> Iterator[str]:
        """Where it halts: "halted" if the build has so many steps, "published", "ended"."""
        self._say(json.dumps([halt_after, without]))
        assert self.process.stdout is not None
        while True:
            where = self.process.stdout.readline().strip()
            assert where in ("halted", "published", "ended"), f"the builder said {where!r}"
            yield where
            self._say("")
            if where == "ended":
                return

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@dataclass
class Bench:
    """A disk, the index on it, and a builder of that index."""

    disk: Disk
    shelf: Shelf
    builder: Builder
    scratch: Path
    cuts: dict[str, int] = field(default_factory=dict)

    def try_out(self, trial: int, without: str = "") -> list[str]:
        """One build whose power is cut where it halts, on the way and when it has published; what was wrong then."""
        chance = random.Random(f"power {trial}")
        before = self.shelf.texts()
        after = {**before, "nets.txt": f"Trial {trial}: nets are mended.", f"more-{trial % 3}.txt": f"More {trial}."}
        for name in ("nets.txt", f"more-{trial % 3}.txt"):
            self.shelf.write(name, after[name])
        wrong = []
        allowed: Sequence[dict[str, str]] = (before, after)
        for where in self.builder.build(chance.randrange(STEPS), without):
            if where == "halted" and chance.random() < 0.5:
                self.disk.another_syncs()
                self.cuts["another synced"] = self.cuts.get("another synced", 0) + 1
            self.cuts[where] = self.cuts.get(where, 0) + 1
            if where == "published":
                allowed = (after,)  # from here on
            wrong += [f"trial {trial}, {where}: {problem}" for problem in self._after_a_cut(allowed, without)]
        return wrong

    def _after_a_cut(self, allowed: Sequence[dict[str, str]], without: str) -> list[str]:
        image = self.scratch / "cut.img"
        self.disk.cut(image)
        with Disk.opened(image, self.scratch / "cut") as disk:
            found = Shelf(self.shelf.source, disk.folder / "data")
            try:
                served = texts_served(found)
                if served not in allowed:
                    return ["another index than the one published"]
                if not without:  # and it goes on from there
                    found.build()
                    assert texts_served(found) == allowed[-1]
                    assert {path.name for path in found.layout.generations.iterdir()} == set(found.layout.names())
            except (FootnoteError, AssertionError, OSError) as error:
                return [f"{type(error).__name__}: {error}"]
        return []


def texts_served(shelf: Shelf) -> dict[str, str]:
    """Every document served and its text, of the generation that CURRENT names, which is whole."""
    library = Library(shelf.data, encoder="fake")
    try:
        with library.pin() as generation:
            assert (library.corrupt, library.degraded) == (0, "")
            verify(shelf.layout.generation(generation.name))
            return {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}
    finally:
        library.close()


@contextmanager
def bench_at(where: Path, options: str) -> Iterator[Bench]:
    needs(no_ext4(where))
    (where / "documents").mkdir()
    with Disk.made(where / "disk.img", where / "disk", options) as disk:
        shelf = Shelf(where / "documents", disk.folder / "data")
        for name, text in (("tides.txt", TIDES), ("lamps.txt", LAMPS), ("ropes.txt", ROPES)):
            shelf.write(name, text)
        shelf.build()
        command = [sys.executable, "-c", _BUILDER, str(shelf.source), str(shelf.data)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Bench(disk, shelf, Builder(process), where)
            process.kill()


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options or "defaults")
def test_power_cut_at_any_step_leaves_the_old_index_or_the_new_and_a_published_one_stays(
    tmp_path: Path, campaign: Campaigns, options: str
) -> None:
    what = f"power cut at a step of a build, on ext4 ({options or 'defaults'})"
    with bench_at(tmp_path, options) as bench, campaign("R4", what, push=5, release=100) as trials:
        for trial in trials:
            assert bench.try_out(trial) == []
        for where, count in bench.cuts.items():
            trials.note(f"cuts, {where}", count)


@pytest.mark.parametrize("without", ["every sync", "syncs of folders"])
def test_without_syncs_a_power_cut_would_lose_what_was_published(
    tmp_path: Path, campaign: Campaigns, without: str
) -> None:
    """The null control."""
    trials = 3
    with bench_at(tmp_path, OPTIONS[1]) as bench:
        wrong = [bool(bench.try_out(trial, without)) for trial in range(trials)]
    campaign.control("R4", without, failed=sum(wrong), of=trials)


def test_a_cut_disk_has_what_was_synced_and_nothing_that_was_not(tmp_path: Path) -> None:
    """The images are what they are said to be."""
    needs(no_ext4(tmp_path))
    with Disk.made(tmp_path / "disk.img", tmp_path / "disk") as disk:
        (disk.folder / "written").write_text("in memory")
        with (disk.folder / "synced").open("w") as stream:
            stream.write("on disk")
            stream.flush()
            disk.cut(tmp_path / "before.img")
            disk.another_syncs()
            disk.cut(tmp_path / "after.img")
    with Disk.opened(tmp_path / "before.img", tmp_path / "cut") as cut:
        assert {path.name for path in cut.folder.iterdir()} == {"lost+found"}
    with Disk.opened(tmp_path / "after.img", tmp_path / "cut") as cut:
        assert (cut.folder / "another").read_text() == "."
        assert (cut.folder / "written").read_text() == "", "its name is there, and its bytes are not"
