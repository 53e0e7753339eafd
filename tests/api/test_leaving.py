"""What becomes of a request whose client has gone: what only it would have read is left, what it wrote is kept."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from starlette.types import Message

from api.app import create_app
from index.types import Vector
from rag.answer import final
from rag.types import Question
from tests.api.conftest import Live, wait_for
from tests.conftest import World
from tests.fakes import FakeEncoder

FAQ = (
    "# When does the ferry Aurora sail?\n\nThe ferry Aurora sails at noon every Tuesday.\n\n"
    "# Which lamp lights the long quay?\n\nThe lamp that lights the long quay is a gas lamp.\n"
)


class Slow(FakeEncoder):
    """Encodes questions when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()
        self.asked = 0

    def encode_query(self, text: str) -> Vector:
        self.asked += 1
        assert self.go.wait(20)
        return super().encode_query(text)


def test_nobody_makes_suggestions_for_who_has_gone(make_world: Callable[..., World], live: Live, folder: Path) -> None:
    """A request without a body, which no route reads."""
    (folder / "faq.md").write_text(FAQ)
    encoder = Slow()
    world = make_world(folder, encoder=encoder)
    world.build()
    url = live(world.footnote)
    host, _, port = url.removeprefix("http://").partition(":")

    def ask() -> socket.socket:
        sock = socket.create_connection((host, int(port)), timeout=20)
        sock.sendall(b"GET /v1/suggestions HTTP/1.1\r\nHost: x\r\n\r\n")
        return sock

    with httpx2.Client(base_url=url, timeout=30) as client:

        def left() -> int:
            found = re.search(
                r'requests_total{route="/v1/suggestions",status="499"} (\S+)', client.get("/metrics").text
            )
            return int(float(found[1])) if found else 0

        encoder.asked = 0
        encoder.go.clear()
        making = ask()
        wait_for(lambda: encoder.asked == 1)  # the first question is tried
        waiting = ask()
        making.close()
        waiting.close()
        wait_for(lambda: left() == 1)  # who waited has left
        encoder.go.set()
        wait_for(lambda: left() == 2)
        assert encoder.asked == 1, "questions were tried for nobody"
        assert len(client.get("/v1/suggestions").json()["questions"]) > 1


def sent_and_gone(world: World, path: str, body: dict[str, Any]) -> int:
    """The status that is counted for a client that leaves when it has sent its request, all threads being taken."""
    content = json.dumps(body).encode()
    received: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
    statuses: list[int] = []

    async def receive() -> Message:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def run() -> None:
        app = create_app(world.footnote)
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        await limiter.acquire_on_behalf_of("another")
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"),
                        (b"content-length", str(len(content)).encode())],
        }  # fmt: skip
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, scope, receive, send)
            await anyio.wait_all_tasks_blocked()
            limiter.release_on_behalf_of("another")

    anyio.run(run)
    (status,) = statuses
    return status


def test_a_verdict_is_kept_although_its_giver_has_gone(world: World) -> None:
    given = final(world.footnote.ask(Question("When was the harbour opened?")))
    assert sent_and_gone(world, "/v1/feedback", {"answer_id": given.answer_id, "verdict": "down"}) == 499
    (line,) = (world.data / "feedback.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["verdict"] == "down"


def test_the_index_goes_back_although_who_asked_for_it_has_gone(world: World) -> None:
    (world.source / "new.txt").write_text("A new quay was built in 1999.")
    world.build()
    assert sent_and_gone(world, "/v1/index/rollback", {}) == 499
    assert world.footnote.describe()["generation"] == "000001"


@pytest.mark.parametrize("body", [{}, {"confirm_deletions": True}])
def test_a_rebuild_is_made_although_who_asked_for_it_has_gone(world: World, body: dict[str, Any]) -> None:
    (world.source / "new.txt").write_text("A new quay was built in 1999.")
    sent_and_gone(world, "/v1/index/rebuild", body)
    world.footnote.jobs.wait(30)
    assert world.footnote.describe()["generation"] == "000002"
