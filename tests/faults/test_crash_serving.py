"""Builders are killed, and disks fail under them, while a server answers: nobody who asks can tell."""

from __future__ import annotations

import errno
import multiprocessing
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.compose import Footnote
from api.settings import Settings
from index.generation import Layout, read_current
from index.live import Library
from tests.conftest import serve
from tests.fakes import FakeEncoder, FakeReader, make_fake_encoder
from tests.faults.builders import Builders
from tests.faults.campaign import Campaigns
from tests.faults.deeds import watched_encoder
from tests.faults.scene import Scene, fails, make_scene, state_of, stray, undisturbed
from tests.faults.syscalls import TAKE_SPACE, Fault, Watch

_PAUSE_S = 0.15  # of a client between two questions
_CLIENTS = 4
_QUESTIONS = ("Who climbs ninety steps?", "Which harbour was seen from the lamp?", "What is mended?")


@dataclass
class Clients:
    """What those who ask were given."""

    answered: int = 0
    wrong: list[str] = field(default_factory=list)

    def ask(self, url: str, stop: threading.Event) -> None:
        newest = ""
        with httpx2.Client(base_url=url, timeout=30) as client:
            for number in range(1_000_000):
                if stop.wait(_PAUSE_S):
                    return
                response = client.post("/v1/ask", json={"question": _QUESTIONS[number % len(_QUESTIONS)]})
                generation = response.headers.get("Footnote-Generation", "")
                if response.status_code != 200 or generation < newest:
                    self.wrong.append(f"{response.status_code} from {generation} after {newest}: {response.text[:200]}")
                newest = max(newest, generation)
                self.answered += 1


@contextmanager
def asked(url: str) -> Iterator[Clients]:
    clients, stop = Clients(), threading.Event()
    threads = [threading.Thread(target=clients.ask, args=(url, stop)) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)


@dataclass
class Served:
    """A server over a scene, which builds in a process of its own."""

    scene: Scene
    url: str
    client: httpx2.Client

    def job_of(self, started: dict[str, Any]) -> dict[str, Any]:
        """The job when it runs no more."""
        deadline = time.monotonic() + 60
        while (job := self.client.get(f"/v1/index/jobs/{started['job_id']}").json())["state"] == "running":
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        found: dict[str, Any] = job
        return found

    def rebuild(self) -> dict[str, Any]:
        started: dict[str, Any] = self.client.post("/v1/index/rebuild").json()
        return started

    def generation(self) -> str:
        response = self.client.post("/v1/ask", json={"question": _QUESTIONS[0]})
        assert response.status_code == 200, response.text
        return response.headers["Footnote-Generation"]


Start = Callable[[Callable[[], FakeEncoder]], Served]


@pytest.fixture
def start(builders: Builders, tmp_path: Path) -> Iterator[Start]:
    opened: list[Any] = []

    def begin(load_encoder: Callable[[], FakeEncoder]) -> Served:
        scene = make_scene(tmp_path, builders, "anew")
        scene.set_up()
        settings = Settings(source=scene.source, data=scene.data, encoder="fake")
        footnote = Footnote(settings, encoder=load_encoder, reader=FakeReader)
        server = contextmanager(serve)(footnote)
        client = httpx2.Client(base_url=server.__enter__(), timeout=30)
        opened.append((server, client, footnote))
        return Served(scene, str(client.base_url), client)

    yield begin
    for server, client, footnote in opened:
        client.close()
        server.__exit__(None, None, None)
        footnote.close()


def texts(data: Path) -> dict[str, str]:
    """Every document that a server that starts now serves."""
    library = Library(data, encoder="fake")
    try:
        with library.pin() as generation:
            assert (library.corrupt, library.degraded) == (0, ""), library.degraded
            return {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}
    finally:
        library.close()


def kill_builder(scene: Scene, chance: random.Random, build_s: float) -> bool:
    """A build that is killed at any time; whether it had not ended."""
    running = scene.builders.start(scene.source, scene.data)
    time.sleep(chance.uniform(0.0, build_s))
    running.kill()
    return running.wait().killed


def kill_job(server: Served, chance: random.Random) -> bool:
    """As kill_builder, for the build that the server's own job starts."""
    started = server.rebuild()
    while not (children := [one for one in multiprocessing.active_children() if one.name == "footnote-build"]):
        if server.client.get(f"/v1/index/jobs/{started['job_id']}").json()["state"] != "running":
            break
    time.sleep(chance.uniform(0.0, 0.8))
    for child in children:
        with suppress(ValueError):  # it has ended, and its job has put it away
            child.kill()
    job = server.job_of(started)
    assert job["state"] == "done" or (job["error"]["status"], job["error"]["title"]) == (500, "The build failed"), job
    return bool(job["state"] == "failed")


def test_builders_are_killed_at_any_time_while_clients_ask(start: Start, campaign: Campaigns, tmp_path: Path) -> None:
    server = start(make_fake_encoder)
    scene = server.scene
    began = time.monotonic()
    scene.builders.start(scene.source, scene.data).wait()
    build_s, before = time.monotonic() - began, texts(scene.data)
    with (
        campaign("R1", "the builder is killed at any time while four clients ask", push=30, release=1000) as trials,
        asked(server.url) as clients,
    ):
        killed = 0
        for trial in trials:
            chance = random.Random(10_000 + trial)
            after = {**before, "nets.txt": f"A net is mended on day {trial}.", f"{trial % 7}.txt": f"Lamp {trial}."}
            for name in ("nets.txt", f"{trial % 7}.txt"):
                (scene.source / name).write_text(after[name])
            killed += kill_job(server, chance) if trial % 10 == 9 else kill_builder(scene, chance, build_s)
            assert texts(scene.data) in (before, after), trial
            ended = scene.builders.start(scene.source, scene.data).wait()
            assert not ended.error and not ended.killed, (trial, ended)
            assert texts(scene.data) == after and stray(scene.data) == [], trial
            assert clients.wrong == [], trial
            before = after
        assert state_of(scene.data) == undisturbed(scene, tmp_path / "clean", clean=True)
        trials.note("killed", killed)
        trials.note("answers", clients.answered)
        trials.note("other than 200", len(clients.wrong))
        assert killed and clients.answered  # how many of them is the machine's


def test_builders_that_publish_too_early_would_be_caught(
    builders: Builders, campaign: Campaigns, tmp_path: Path
) -> None:
    """The same trials, with CURRENT replaced before the generation is in its place, which takes a while."""
    scene, failed = make_scene(tmp_path, builders, "anew"), 0
    layout = Layout(scene.data)
    for trial in range(3):
        scene.set_up()
        (scene.source / "nets.txt").write_text(f"A net is mended on day {trial}.")
        running = scene.builders.start(scene.source, scene.data, "build_hastily", gap_s=60.0)
        deadline = time.monotonic() + 50
        while read_current(layout)[0] in layout.names():
            assert time.monotonic() < deadline, "the build does not publish"
            time.sleep(0.002)
        running.kill()
        assert running.wait().killed
        failed += fails(lambda: texts(scene.data))
    campaign.control("R1", "CURRENT is replaced before the generation is in its place", failed=failed, of=3)


# -- the disk fails under a job ----------------------------------------------------------------------------------------


JOB_FAULTS = [
    (Fault(0, errno.ENOSPC, among=frozenset({"write"})), 507, "The disk is full"),
    (Fault(3, errno.EIO, among=frozenset({"fsync"})), 500, "The disk fails"),
    (Fault(30, errno.ENOSPC, forever=True, among=TAKE_SPACE), 507, "The disk is full"),
    (Fault(1, errno.EIO, among=frozenset({"rename"})), 500, "The disk fails"),
    (Fault(0, errno.EROFS, forever=True), 503, "The data folder cannot be written to"),
    (Fault(90, errno.EIO, forever=True), 500, "The disk fails"),
]


def test_a_job_whose_disk_fails_says_so_and_the_server_goes_on(
    start: Start, campaign: Campaigns, scenes: object, tmp_path: Path
) -> None:
    door = str(tmp_path / "door")
    server = start(partial(watched_encoder, door))
    with (
        socket.socket(socket.AF_UNIX) as listening,
        campaign("R3", "a call that writes fails under a job of a server", push=2, release=30) as trials,
    ):
        listening.bind(door)
        listening.listen()

        def job(fault: Fault | None) -> tuple[dict[str, Any], Watch]:
            started = server.rebuild()
            with listening.accept()[0] as channel:
                watch = Watch(channel, server.scene.data, fault)
            found = server.job_of(started)
            watch.join()
            return found, watch

        for trial in trials:
            fault, status, title = JOB_FAULTS[trial % len(JOB_FAULTS)]
            (server.scene.source / "nets.txt").write_text(f"A net is mended on day {trial}.")
            before = server.generation()
            failed, watch = job(fault)
            assert watch.struck is not None and failed["state"] == "failed", (trial, failed)
            assert (failed["error"]["status"], failed["error"]["title"]) == (status, title), trial
            assert str(tmp_path) not in failed["error"]["detail"]
            assert server.generation() == before
            done, _ = job(None)
            assert done["state"] == "done" and server.generation() > before, (trial, done)
            assert stray(server.scene.data) == []
