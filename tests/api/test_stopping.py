"""A real process is told to stop while it answers."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.conftest import assert_problem, events_of
from tests.conftest import World

ROOT = Path(__file__).resolve().parents[2]
OPENED = "When was the harbour opened?"


@dataclass
class Process:
    running: subprocess.Popen[str]
    url: str

    def stop(self, sig: int = signal.SIGTERM) -> None:
        self.running.send_signal(sig)

    def status(self) -> int:
        """With which it has left, within the grace time and what a busy machine may add to it."""
        return self.running.wait(30)


Start = Callable[..., Process]


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    """Servers in processes of their own, over the three documents."""
    with ExitStack() as stack:

        def started(grace_s: float = 10.0) -> Process:
            running = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.api.slow_server", world.source, world.data, str(grace_s)],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            stack.callback(running.kill)
            assert running.stdout is not None
            told = re.search(r"http://[\d.:]+", running.stdout.readline())
            assert told, "the server did not start"
            return Process(running, told[0])

        yield started


def body(seconds: float, stream: bool = False) -> dict[str, Any]:
    return {"question": OPENED, "without": [f"{seconds} s"], "stream": stream}


class Asking(threading.Thread):
    """Asks in the background; ``begun`` once the first event of a stream is there."""

    def __init__(self, url: str, seconds: float, stream: bool) -> None:
        super().__init__()
        self.url, self.body = url, body(seconds, stream)
        self.begun = threading.Event()
        self.text = ""
        self.response: httpx2.Response | None = None
        self.start()

    def run(self) -> None:
        with httpx2.stream("POST", f"{self.url}/v1/ask", json=self.body, timeout=60) as response:
            self.response = response
            for piece in response.iter_text():
                self.text += piece
                self.begun.set()

    def ended(self) -> httpx2.Response:
        self.join(30)
        assert self.response is not None
        return self.response


def test_what_has_begun_is_answered_and_nothing_else(start: Start) -> None:
    server = start()
    asking = Asking(server.url, 1.5, stream=True)
    assert asking.begun.wait(20)
    with httpx2.Client(base_url=server.url) as client:
        assert client.get("/readyz").status_code == 200
        server.stop()
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
        assert client.get("/livez").status_code == 200
        refused = client.post("/v1/ask", json=body(0))
        assert_problem(refused, 503, "The server is stopping")
        assert refused.headers["retry-after"] == "2"
    assert httpx2.get(f"{server.url}/readyz").status_code == 503  # over a new connection too
    assert asking.ended().status_code == 200
    assert [name for name, _ in events_of(asking.text)] == ["passages", "sentence", "done"]
    assert server.status() == 0


def test_a_stream_that_does_not_end_is_ended_with_an_event(start: Start) -> None:
    server = start(grace_s=4.5)
    asking = Asking(server.url, 60, stream=True)
    assert asking.begun.wait(20)
    server.stop()
    asking.ended()
    (first, _), (last, told) = events_of(asking.text)
    assert (first, last) == ("passages", "error")
    assert (told["status"], told["title"], told["instance"]) == (503, "The server is stopping", "/v1/ask")
    assert server.status() == 0  # though a thread of it would compute on for a minute


def test_an_answer_that_does_not_end_is_a_problem(start: Start) -> None:
    server = start(grace_s=4.5)
    asking = Asking(server.url, 60, stream=False)
    time.sleep(0.5)
    server.stop()
    assert asking.ended().status_code == 503
    assert '"The server is stopping"' in asking.text
    assert server.status() == 0


def test_with_nothing_to_do_it_stops_at_once(start: Start) -> None:
    server = start(grace_s=600)
    idle = httpx2.Client(base_url=server.url)
    assert idle.get("/livez").status_code == 200  # and the connection is kept
    server.stop()
    assert server.status() == 0
    idle.close()


def test_the_port_is_free_again(start: Start) -> None:
    def refuses_afterwards() -> bool:
        server = start()
        server.stop()
        assert server.status() == 0
        try:
            httpx2.get(f"{server.url}/livez")
        except httpx2.ConnectError:
            return True
        return False

    # A port that is free may be given to another process at once; not three times over.
    assert any(refuses_afterwards() for _ in range(3))


@pytest.mark.parametrize("n", range(5))
def test_under_load_every_answer_is_whole(start: Start, n: int) -> None:
    server = start()
    whole: list[int] = []
    broken: list[str] = []
    told = threading.Event()
    answered = threading.Semaphore(0)

    def ask(stream: bool) -> None:
        with httpx2.Client(base_url=server.url, timeout=30) as client:
            while True:
                try:
                    response = client.post("/v1/ask", json=body(0.01, stream))
                except httpx2.TransportError as error:
                    # Once told to stop it may be gone before it has read a request, never half way through an answer.
                    if not told.is_set() or "complete" in str(error):
                        broken.append(repr(error))
                    return
                if response.status_code == 200 and stream:
                    if events_of(response.text)[-1][0] not in ("done", "error"):
                        broken.append(response.text)
                elif response.status_code == 200:
                    if "1911" not in response.json()["text"]:
                        broken.append(response.text)
                else:
                    assert_problem(response, 503, "The server is stopping")
                whole.append(response.status_code)
                answered.release()
                if response.status_code == 503:
                    return

    threads = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(6 + 5 * n):  # at another moment each time
        assert answered.acquire(timeout=20)
    told.set()
    for _ in range(1 + n % 3):  # again and again, as one who is in a hurry does
        server.stop()
    for thread in threads:
        thread.join(30)
    assert broken == []
    assert whole.count(200) > 0
    assert server.status() == 0
