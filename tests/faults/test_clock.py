"""The clock is a day wrong, ten years, or steps back during a build: no change of a document is missed for it, and what
is being read is not taken for forgotten."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from index.live import Library
from tests.faults.campaign import Campaigns
from tests.faults.disks import needs
from tests.index.shelf import Shelf

CLOCKS = {"+0": timedelta(), "-1d": timedelta(days=-1), "+1d": timedelta(days=1), "+10y": timedelta(days=3650)}
COUNT = 12
_OFF_S = 3_600.0  # by which the builder's clock may be off what was set
_LIBRARIES = ("lib/*/faketime", "lib/faketime", "lib64/faketime")

# Builds when told to, and halts once on the way; holds and lets go of the live generation.
_BUILDER = """
import json, os, random, sys, time
from pathlib import Path
from index.build import build
from index.ingest import BuildOptions
from index.live import Library
from index.walk import Stat
from tests.fakes import FakeEncoder

source, data, by_time = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "by time"
library, pins, built = Library(data, encoder="fake"), [], 0
same = Stat.__eq__
if by_time:  # as make does it: what is older than the last build needs no look
    Stat.__eq__ = lambda one, other: same(one, other) or max(one.mtime_ns, other.mtime_ns) <= built

def say(**said):
    print(json.dumps({"now": time.time(), **said}), flush=True)

for line in sys.stdin:
    command, halt_at = json.loads(line)
    if command == "hold":
        pins.append(library.pin())
        say(generation=pins[-1].__enter__().name)
    elif command == "release":
        pins.pop(0).__exit__(None, None, None)
        library.close()
        say()
    else:
        left = halt_at
        def progress(*_):
            global left
            left -= 1
            if left == 0:
                say(halted=True)
                sys.stdin.readline()
        report = build(BuildOptions(source, data, threads=1), FakeEncoder(), progress)
        built = time.time_ns()
        say(halted=False, published=report.published, generation=report.generation)
"""


def faketime() -> Path | None:
    found = [path for pattern in _LIBRARIES for path in Path("/usr").glob(f"{pattern}/libfaketimeMT.so.1")]
    return found[0] if found else None


@dataclass
class Clocked:
    """A builder whose clock the test sets. Times of files are the kernel's; the test sets those of documents as the
    builder's clock would have."""

    shelf: Shelf
    process: subprocess.Popen[str]
    clock: Path
    shift: timedelta = timedelta()

    def set(self, name: str) -> None:
        self.clock.write_text(name)
        self.shift = CLOCKS[name]

    def tell(self, command: str, halt_at: int = 0) -> dict[str, Any]:
        """What it answers, going by the clock that was set."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, halt_at]) + "\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert abs(said["now"] - self.now()) < _OFF_S, "its clock is another, and the harness is worth nothing"
        return said

    def now(self) -> float:
        """Seconds since 1970, by this clock."""
        return (datetime.now(UTC) + self.shift).timestamp()

    def write(self, name: str, text: str) -> None:
        """A document as it would be written by this clock."""
        os.utime(self.shelf.write(name, text), (self.now(), self.now()))

    def truth(self) -> dict[str, str]:
        return {path.name: path.read_text("utf-8").strip() for path in self.shelf.source.iterdir()}

    def served(self) -> dict[str, str]:
        return {name: text.strip() for name, text in self.shelf.texts().items()}


@contextmanager
def clocked(where: Path, rule: str = "") -> Iterator[Clocked]:
    library = faketime()
    needs("" if library else "there is no libfaketime")
    shelf = Shelf(where / "documents", where / "data")
    for number in range(COUNT):
        shelf.write(f"{number:02d}.txt", text_of(number, 0))
    shelf.build()
    clock = where / "clock"
    clock.write_text("+0")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the kernel's never steps
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it, threads that wait spin
        "NO_FAKE_STAT": "1",
    }
    command = [sys.executable, "-c", _BUILDER, str(shelf.source), str(shelf.data), rule]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield Clocked(shelf, process, clock)
        finally:
            process.kill()


def text_of(number: int, version: int) -> str:
    """Of one size, whatever the version."""
    return f"Boat {number:02d} lies at quay {version:06d}. It is painted blue.\n"


def one_sequence(builder: Clocked, trial: int) -> list[str]:
    """Edits and builds under four clocks, one of which steps during the build: what was missed."""
    chance = random.Random(f"clock {trial}")
    wrong = []
    for step in range(3):
        builder.set(chance.choice(list(CLOCKS)))
        for number in chance.sample(range(COUNT), 3):
            builder.write(f"{number:02d}.txt", text_of(number, trial * 10 + step + 1))
        said = builder.tell("build", halt_at=chance.randint(1, 10) if step == 1 else 0)
        if said["halted"]:
            builder.set(chance.choice(list(CLOCKS)))
            builder.write("00.txt", text_of(0, trial * 10 + 9))  # before it was read, or after
            said = builder.tell("go on")
            builder.tell("build")
        if builder.served() != builder.truth():
            wrong.append(f"trial {trial}, step {step}: a change was missed")
    builder.set(chance.choice(list(CLOCKS)))
    if builder.tell("build")["published"]:
        wrong.append(f"trial {trial}: a build without a change published")
    return wrong


def test_no_change_is_missed_whatever_the_clock_does(tmp_path: Path, campaign: Campaigns) -> None:
    what = "a day back, a day or ten years ahead, a step during a build"
    with clocked(tmp_path) as builder, campaign("R18", what, push=3, release=100) as trials:
        for trial in trials:
            assert one_sequence(builder, trial) == []


def test_a_builder_that_goes_by_time_would_miss_some(tmp_path: Path, campaign: Campaigns) -> None:
    """The null control."""
    trials = 2
    with clocked(tmp_path, "by time") as builder:
        wrong = [bool(one_sequence(builder, trial)) for trial in range(trials)]
    campaign.control("R18", "the comparison of all that a file system says of a file", failed=sum(wrong), of=2)


@pytest.mark.parametrize("clock", ["-1d", "+10y"])
def test_what_is_being_read_stays_whatever_the_clock_does(tmp_path: Path, clock: str) -> None:
    with clocked(tmp_path) as builder:
        library = Library(builder.shelf.data, encoder="fake")
        with library.pin() as ours:  # read here, while a clock that is wrong builds
            builder.set(clock)
            for version in range(3):
                builder.write("00.txt", text_of(0, version + 1))
                assert builder.tell("build")["published"]
            assert ours.name in builder.shelf.layout.names()
            assert len(ours.store.documents()) == COUNT
            held = builder.tell("hold")["generation"]  # read there, while the clock steps and this one builds
            builder.set("+0")
            for version in range(3):
                builder.write("00.txt", text_of(0, version + 11))
                assert builder.shelf.build().published
            assert {held, ours.name} < set(builder.shelf.layout.names())
            builder.tell("release")
        library.close()
        builder.write("00.txt", text_of(0, 21))
        assert builder.shelf.build().published
        assert not {held, ours.name} & set(builder.shelf.layout.names())
        assert len(builder.shelf.layout.names()) == 2
