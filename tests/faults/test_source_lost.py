"""The folder of documents, or a part of it, cannot be read any more: nothing is deleted for that, the index serves, and
what could not be read is indexed again when it can."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.calls import no_strace
from tests.faults.campaign import Campaigns
from tests.faults.disks import needs
from tests.index.shelf import Shelf

COUNT = 20  # documents, half of them in a folder of their own
NOBODY = 65534

# Builds twice: first another folder, so that all modules are loaded before the user changes who may not read them.
_BUILDER = """
import json, os, sys
from pathlib import Path
from index.build import build
from index.errors import FootnoteError
from index.ingest import BuildOptions
from tests.fakes import FakeEncoder
import index.ingest

source, data, warm, user, protected = *map(Path, sys.argv[1:4]), int(sys.argv[4]), sys.argv[5] == "protected"
if not protected:
    index.ingest._UNSEEN = frozenset()
    index.ingest._EMPTY |= {"unreadable"}
    index.ingest._MAX_VANISHED_SHARE = 1.0
build(BuildOptions(warm, warm / ".data", threads=1, full=True), FakeEncoder())
if user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
try:
    report = build(BuildOptions(source, data, threads=1), FakeEncoder())
    print(json.dumps({"error": "", "stale": len(report.stale), "deleted": len(report.deleted)}))
except FootnoteError as error:
    print(json.dumps({"error": type(error).__name__, "stale": 0, "deleted": 0}))
"""


@dataclass
class Lost:
    """Twenty documents, indexed; a builder that may not be able to read them."""

    shelf: Shelf
    warm: Path
    user: int = 0

    @property
    def truth(self) -> dict[str, str]:
        source = self.shelf.source
        return {path.relative_to(source).as_posix(): path.read_text("utf-8") for path in source.rglob("*.txt")}

    def build(self, *strace: str, protected: bool = True) -> dict[str, Any]:
        """What a builder says that is another process and, where asked for, another user."""
        arguments = (self.shelf.source, self.shelf.data, self.warm, self.user, "protected" if protected else "bare")
        command = [*strace, sys.executable, "-c", _BUILDER, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def change_one(self, trial: int, lost: Sequence[Path]) -> None:
        """A document that can be read all the same has a new text, so that there is something to publish."""
        whole = [path for path in sorted(self.shelf.source.rglob("*.txt")) if path not in lost]
        if whole:
            whole[trial % len(whole)].write_text(f"In trial {trial} this was written anew.\n")

    def wrong_with(self, before: dict[str, str], lost: Sequence[Path]) -> list[str]:
        """What was deleted or changed without having been read."""
        served = self.shelf.texts()
        names = [path.relative_to(self.shelf.source).as_posix() for path in lost]
        wrong = [f"{name} is gone" for name in before if name not in served]
        return wrong + [f"{name} is another" for name in names if name in served and served[name] != before[name]]


@pytest.fixture
def lost() -> Iterator[Lost]:
    """In a folder that every user may enter, which pytest's own is not, and read, whatever a command run before in this
    process has let others do."""
    before = os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="footnote-lost-") as folder:
        where = Path(folder)
        where.chmod(0o755)
        shelf = Shelf(where / "documents", where / "data")
        for number in range(COUNT):
            below = "inner/" if number % 2 else ""
            shelf.write(f"{below}{number:02d}.txt", f"Boat {number} lies at quay {number}. It is painted blue.\n")
        (where / "warm").mkdir()
        (where / "warm" / "one.txt").write_text("A boat came in. It was painted blue.\n")
        shelf.build()
        yield Lost(shelf, where / "warm")
    os.umask(before)


def some(lost: Lost, chance: random.Random) -> list[Path]:
    files = sorted(lost.shelf.source.rglob("*.txt"))
    return chance.sample(files, chance.randint(1, COUNT))


# -- permission --------------------------------------------------------------------------------------------------------


def close(lost: Lost, kind: str, chance: random.Random) -> list[Path]:
    """Take away the right to read, and return the documents that cannot be read for it."""
    source = lost.shelf.source
    if kind == "files":
        files = some(lost, chance)
        for path in files:
            path.chmod(0)
        return files
    folder = source / "inner" if kind == "inner folder" else source
    folder.chmod(0)
    return sorted(folder.rglob("*.txt"))  # root may


def open_again(lost: Lost) -> None:
    for path in (lost.shelf.source, *lost.shelf.source.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


KINDS = ("files", "inner folder", "whole folder")


def without_permission(lost: Lost, trial: int, *, protected: bool = True) -> list[str]:
    chance = random.Random(f"permission {trial}")
    before = lost.shelf.texts()
    shutil.chown(lost.shelf.data, NOBODY, NOBODY)
    for path in lost.shelf.data.rglob("*"):
        shutil.chown(path, NOBODY, NOBODY)
    closed = close(lost, KINDS[trial % len(KINDS)], chance)
    lost.change_one(trial, closed)
    said = lost.build(protected=protected)
    wrong = lost.wrong_with(before, closed)
    whole = len(closed) == COUNT and KINDS[trial % len(KINDS)] == "whole folder"
    if said["error"] != ("SourceError" if whole else "") or (not whole and said["stale"] != len(closed)):
        wrong.append(f"the build said {said} of {len(closed)} documents")
    open_again(lost)
    lost.shelf.build()
    if lost.shelf.texts() != lost.truth:
        wrong.append("what can be read again is not what is served")
    return [f"trial {trial}: {what}" for what in wrong]


@pytest.fixture
def as_nobody(lost: Lost) -> Lost:
    """The builds of ``lost`` are another user's. Its plain texts are read without the parser's process, which that user
    might not be allowed to start."""
    needs("" if os.geteuid() == 0 else "only root can become another user")
    lost.user = NOBODY
    return lost


def test_documents_that_may_not_be_read_are_not_deleted(as_nobody: Lost, campaign: Campaigns) -> None:
    with campaign("R12", "the right to read files, a folder or all is lost", push=3, release=20) as trials:
        for trial in trials:
            assert without_permission(as_nobody, trial) == []


def test_without_the_rule_that_what_is_unseen_stays_they_would_be(as_nobody: Lost, campaign: Campaigns) -> None:
    """The null control."""
    wrong = [bool(without_permission(as_nobody, trial, protected=False)) for trial in range(2)]
    campaign.control("R12", "the rule that what is unseen stays", failed=sum(wrong), of=2)


# -- errors of the file system -----------------------------------------------------------------------------------------

# Which call fails, on what: a folder's list, files' state, opening what lies in a folder, reading.
CALLS = ("getdents64", "newfstatat", "openat", "read")
ERRORS = ("EIO", "ESTALE")


def with_errors(lost: Lost, trial: int) -> tuple[list[str], int]:
    """One build during which a call fails on a part of the folder: what was wrong, and how much was kept as stale."""
    chance = random.Random(f"errors {trial}")
    call = CALLS[trial % len(CALLS)]
    before, source = lost.shelf.texts(), lost.shelf.source
    folder = chance.choice((source, source / "inner"))
    hit = sorted(folder.glob("*.txt")) if call in ("getdents64", "openat") else some(lost, chance)
    if folder == source and call in ("getdents64", "openat"):
        hit = sorted(source.rglob("*.txt"))
    for path in hit:  # to be read again
        os.utime(path, (trial, trial))
    lost.change_one(trial, hit)
    paths = [folder] if call in ("getdents64", "openat") else hit
    where = [option for path in paths for option in ("-P", str(path))]
    fault = f"inject={call}:error={chance.choice(ERRORS)}"
    said = lost.build(
        "strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, *where, "-e", f"trace={call}", "-e", fault
    )
    wrong = lost.wrong_with(before, hit)
    whole = folder == source and call == "getdents64"
    if said["error"] != ("SourceError" if whole else "") or (not whole and said["stale"] != len(hit)):
        wrong.append(f"the build said {said}")
    lost.shelf.build()
    if lost.shelf.texts() != lost.truth:
        wrong.append("what can be read again is not what is served")
    return [f"trial {trial}, {call} on {len(hit)} documents: {what}" for what in wrong], said["stale"]


def test_documents_that_the_file_system_fails_to_give_are_not_deleted(lost: Lost, campaign: Campaigns) -> None:
    needs(no_strace())
    kept = 0
    with campaign("R12", "calls on the folder fail with EIO or ESTALE", push=4, release=20) as trials:
        for trial in trials:
            wrong, stale = with_errors(lost, trial)
            assert wrong == []
            kept += stale
        trials.note("documents kept as stale", kept)
    assert kept
