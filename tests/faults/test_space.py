"""A disk that is full, or that takes no writes: questions are answered all the while, a rebuild says what is wrong, and
goes on by itself when the disk does again."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import api.compose
import index.generation
from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from index import lexical
from index.disk import told
from index.errors import DiskFull
from index.types import IngestReport
from tests.fakes import FakeEncoder
from tests.faults.campaign import Campaigns
from tests.faults.disks import Disk, mounted, needs, no_ext4, no_mounts, remount
from tests.index.shelf import Shelf

SHARES = (0.5, 0.8, 0.95, 0.99, 1.0)  # of what a build needs
PHASES = ("parsing", "embedding", "writing", "publishing")
HUNG_S = 60.0


class Watched(Footnote):
    """Calls ``at`` with each phase of a build as it begins."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, encoder=FakeEncoder, in_child=False)
        self.at: Callable[[str], None] = lambda phase: None

    def rebuild(self, progress: Callable[[str, int, int], None], **options: Any) -> IngestReport:
        phases: set[str] = set()

        def noted(phase: str, done: int, total: int) -> None:
            if phase not in phases:
                phases.add(phase)
                self.at(phase)
            progress(phase, done, total)

        return super().rebuild(noted, **options)


@dataclass
class Served:
    """A server over an index on a disk of its own, and clients that ask it all the while."""

    footnote: Watched
    client: TestClient
    shelf: Shelf
    answers: list[tuple[int, str]] = field(default_factory=list)  # status and generation

    def rewrite(self, trial: int) -> dict[str, str]:
        """Give the folder other documents; they and their texts."""
        texts = {f"{n:02d}.txt": story(n, trial) for n in range(12)}
        for name, text in texts.items():
            self.shelf.write(name, text)
        return texts

    @contextmanager
    def asking(self) -> Iterator[None]:
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                response = self.client.post("/v1/ask", json={"question": "Where does boat 3 lie?"})
                self.answers.append((response.status_code, response.headers.get("Footnote-Generation", "")))

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(HUNG_S)
            assert not thread.is_alive()

    def rebuild(self) -> dict[str, Any]:
        """The job when it has ended."""
        name = self.client.post("/v1/index/rebuild").json()["job_id"]
        self.footnote.jobs.wait(HUNG_S)
        job: dict[str, Any] = self.client.get(f"/v1/index/jobs/{name}").json()
        return job

    def ready(self) -> tuple[int, str]:
        response = self.client.get("/readyz")
        return response.status_code, response.json()["status"]


def story(number: int, trial: int) -> str:
    lines = (f"Boat {number} of year {trial} lies at quay {line}. It has {line * 7} sails." for line in range(20))
    return "\n\n".join(lines) + "\n"


@contextmanager
def served(where: Path, data: Path) -> Iterator[Served]:
    """The index of twelve documents in ``data``, which is on a disk of its own; their folder is not."""
    source = where / "documents"
    source.mkdir(exist_ok=True)
    settings = Settings(source=source, data=data, encoder="fake", reader=False)
    footnote = Watched(settings)
    found = Served(footnote, TestClient(create_app(footnote)), Shelf(source, data))
    try:
        if not found.shelf.layout.names():
            found.rewrite(0)
            footnote.rebuild(lambda *_: None)
        with found.client:
            yield found
    finally:
        footnote.close()


# -- full --------------------------------------------------------------------------------------------------------------


def used(at: Path) -> int:
    found = os.statvfs(at)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def need_of(server: Served, disk: Path) -> int:
    """How many bytes a build of other documents takes while it runs, as seen every millisecond."""
    server.rewrite(1)
    before, most, stop = used(disk), 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not stop.wait(0.001):
            most = max(most, used(disk))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        assert server.rebuild()["state"] == "done"
    finally:
        stop.set()
        thread.join()
    return most - before


@dataclass
class Ballast:
    """Takes the disk's room when told to, all but ``room`` bytes of it, as another program's file would."""

    disk: Path
    room: int
    when: str  # in this phase of a build
    taken_at: float = 0.0

    def __call__(self, phase: str) -> None:
        found = os.statvfs(self.disk)
        size = found.f_bavail * found.f_frsize - self.room
        if phase == self.when and size > 0:
            with (self.disk / "ballast").open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, size)
            self.taken_at = time.monotonic()

    def away(self) -> None:
        (self.disk / "ballast").unlink(missing_ok=True)


def fill_up(server: Served, disk: Path, need: int, trial: int) -> tuple[list[str], float]:
    """One rebuild during which the disk fills: what was wrong, and how long the job ran on with a full disk."""
    chance = random.Random(f"space {trial}")
    share = SHARES[trial % len(SHARES)]
    before = server.shelf.texts()
    after = server.rewrite(trial + 2)
    live = server.shelf.live
    ballast = Ballast(disk, int(share * need), "parsing")
    if trial % 2:  # late, and then at once
        ballast = Ballast(disk, 4096 * chance.randrange(8), chance.choice(PHASES))
    server.footnote.at = ballast
    with server.asking():
        job = server.rebuild()
    took = time.monotonic() - ballast.taken_at
    server.footnote.at = lambda phase: None
    wrong = []
    if job["state"] != "done":
        if (job["error"]["status"], job["error"]["title"]) != (507, "The disk is full"):
            wrong.append(f"the job says {job['error']}")
        if (server.shelf.live, server.shelf.texts()) != (live, before):
            wrong.append("the index that failed to be replaced is another")
        if list(server.shelf.layout.generations.glob(".staging-*")):
            wrong.append("what was half written is left")
    elif server.shelf.texts() != after:
        wrong.append("the build said that it is done")
    ballast.away()
    again = server.rebuild()
    if again["state"] != "done" or server.shelf.texts() != after or server.ready() != (200, "ok"):
        wrong.append(f"with room again: {again}")
    if any(status != 200 for status, _ in server.answers):
        wrong.append(f"answers: {server.answers}")
    server.answers.clear()
    return [f"trial {trial}, room for {share:.0%} of a build: {what}" for what in wrong], took


def test_a_disk_that_fills_during_a_rebuild_costs_that_rebuild_and_nothing_else(
    tmp_path: Path, campaign: Campaigns
) -> None:
    needs(no_mounts(tmp_path))
    with mounted("none", tmp_path / "disk", "tmpfs", "size=40m") as disk, served(tmp_path, disk / "data") as server:
        need = need_of(server, disk)
        slowest = 0.0
        with campaign("R6", "the disk fills during a rebuild", push=5, release=100) as trials:
            for trial in trials:
                wrong, took = fill_up(server, disk, need, trial)
                assert wrong == []
                slowest = max(slowest, took)
            trials.note("seconds from full to the job's end, at most", round(slowest, 2))


def test_a_full_disk_that_nobody_told_of_would_be_seen(
    tmp_path: Path, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null control."""
    needs(no_mounts(tmp_path))
    monkeypatch.setattr(index.generation, "told", contextlib.nullcontext)
    with mounted("none", tmp_path / "disk", "tmpfs", "size=40m") as disk, served(tmp_path, disk / "data") as server:
        need = need_of(server, disk)
        wrong = [bool(fill_up(server, disk, need, trial)[0]) for trial in range(2)]
    campaign.control("R6", "the word on what the disk said", failed=sum(wrong), of=2)


def test_a_build_that_would_not_fit_is_refused_before_it_writes(tmp_path: Path, campaign: Campaigns) -> None:
    needs(no_mounts(tmp_path))
    with mounted("none", tmp_path / "disk", "tmpfs", "size=40m") as disk, served(tmp_path, disk / "data") as server:
        shelf = server.shelf
        need = need_of(server, disk)
        with campaign("R6", "less is free than a build needs", push=2, release=20) as trials:
            for trial in trials:
                server.rewrite(100 + trial)
                ballast = Ballast(disk, random.Random(f"room {trial}").randrange(need), "now")
                ballast("now")
                before = shelf.files()
                with pytest.raises(DiskFull, match=r"needs about [\d.]+ MB .* and [\d.]+ MB is free\. Nothing was wri"):
                    shelf.build()
                assert shelf.files() == before, f"trial {trial}"
                ballast.away()
                assert shelf.build().published


@pytest.mark.parametrize("room_kb", [4, 8, 16, 32, 64, 128])
def test_however_little_room_is_left_for_the_words(tmp_path: Path, room_kb: int) -> None:
    """tantivy writes on threads of its own, which may die without a word."""
    needs(no_mounts(tmp_path))
    passages = [(row, f"word{row} other{row * 7} third{row * 13}", "above") for row in range(5_000)]
    with mounted("none", tmp_path / "disk", "tmpfs", f"size={room_kb}k") as disk, pytest.raises(DiskFull), told(disk):
        lexical.write(disk / "lexical", passages)


# -- read-only ---------------------------------------------------------------------------------------------------------

READ_ONLY = "The data folder cannot be written to"


@dataclass
class DiskError:
    """Has the kernel find an error of the disk in this phase of a build. It then refuses all that would be written,
    also to files that are open, and still says of the file system that it can be written to."""

    disk: Path
    when: str

    def __call__(self, phase: str) -> None:
        if phase == self.when:
            remount(self.disk, "abort")


def refused(server: Served, live: str, *, failing: bool = False) -> None:
    """Nothing can be changed, which is said, and everything can be asked. While it is ``failing``, a disk may say so
    before it says that it takes nothing any more."""
    with server.asking():
        job = server.rebuild()
        said = job["state"], job["error"]["status"], job["error"]["title"]
        assert said == ("failed", 503, READ_ONLY) or (failing and said == ("failed", 500, "The disk fails"))
        assert server.client.post("/v1/index/rollback").json()["title"] == READ_ONLY
        assert server.ready() == (200, "degraded")
        assert server.client.get("/v1/index").json()["degraded"].startswith(READ_ONLY)
    assert set(server.answers) == {(200, live)}
    server.answers.clear()


def test_a_data_folder_that_is_read_only_from_the_start(tmp_path: Path, campaign: Campaigns) -> None:
    needs(no_mounts(tmp_path))
    with (
        mounted("none", tmp_path / "disk", "tmpfs", "size=40m") as disk,
        campaign("R7", "the data folder is read-only from the start", push=1, release=10) as trials,
    ):
        with served(tmp_path, disk / "data"):
            pass
        for trial in trials:
            remount(disk, "ro")
            with served(tmp_path, disk / "data") as server:
                live = server.shelf.live
                texts = server.rewrite(trial + 1)
                refused(server, live)
                remount(disk, "rw")
                assert server.ready() == (200, "ok")
                assert server.rebuild()["state"] == "done"
                assert server.shelf.texts() == texts


def test_a_data_folder_that_becomes_read_only_during_a_rebuild(tmp_path: Path, campaign: Campaigns) -> None:
    """As the kernel makes it after an error of the disk, whatever is open for writing then."""
    needs(no_ext4(tmp_path))
    with campaign("R7", "the disk turns read-only during a rebuild", push=2, release=10) as trials:
        for trial in trials:
            image = tmp_path / f"{trial}.img"
            with (
                Disk.made(image, tmp_path / "disk", "errors=remount-ro") as disk,
                served(tmp_path, disk.folder / "data") as server,
            ):
                live, chosen = server.shelf.live, random.Random(f"read-only {trial}").choice(PHASES)
                server.footnote.at = DiskError(disk.folder, chosen)
                texts = server.rewrite(trial + 1)
                refused(server, live, failing=True)
                refused(server, live)  # and does not get better by itself
                server.footnote.close()
            with Disk.opened(image, tmp_path / "disk") as disk, served(tmp_path, disk.folder / "data") as server:
                assert server.rebuild()["state"] == "done"
                assert server.shelf.texts() == texts
                assert server.ready() == (200, "ok")


def test_a_disk_that_nobody_asked_would_be_taken_for_well(
    tmp_path: Path, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null control."""
    needs(no_mounts(tmp_path))
    monkeypatch.setattr(api.compose, "takes_writes", lambda lock: True)
    with mounted("none", tmp_path / "disk", "tmpfs", "size=40m") as disk:
        with served(tmp_path, disk / "data"):
            pass
        remount(disk, "ro")
        with served(tmp_path, disk / "data") as server, pytest.raises(AssertionError, match="degraded"):
            refused(server, server.shelf.live)
    campaign.control("R7", "the look at whether the disk takes writes", failed=1, of=1)
