from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Message

from api.app import create_app
from api.bounds import MAX_HEAD_BYTES, MAX_JSON_DEPTH, Bounded, too_deep
from api.compose import Footnote
from api.connection import Connection
from api.serving import Server
from api.settings import Settings
from rag.types import Event, PassagesFound, Question
from tests.api.conftest import Connect, assert_problem, events_of
from tests.conftest import World

OPENED = {"question": "When was the harbour opened?"}

# -- how deep ----------------------------------------------------------------------------------------------------------


def depth(value: Any) -> int:
    """As a reader of JSON would count it: slowly, and after parsing."""
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(item) for item in value), default=0)
    return 0


def nested(levels: int, inner: Any = 0) -> Any:
    for level in range(levels):
        inner = [inner, "[{"] if level % 2 else {'a"]\\': inner}
    return inner


leaves = st.none() | st.booleans() | st.integers() | st.text('[]{}"\\a🚢', max_size=6)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\', max_size=3), inner, max_size=4)
)


@given(values, st.integers(0, 40), st.booleans())
def test_depth_is_what_a_reader_would_count(inner: Any, levels: int, ascii_only: bool) -> None:
    value = nested(levels, inner)
    assert too_deep(json.dumps(value, ensure_ascii=ascii_only).encode()) == (depth(value) > MAX_JSON_DEPTH)


@given(st.text('[]{}",:\\1 ', max_size=200))
def test_no_nonsense_is_too_much_for_it(text: str) -> None:
    assert too_deep(text.encode()) in (True, False)


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b"[]" * 500_000, b"[" * 500_000 + b"]" * 500_000, b'"' * 1_000_000,
                                  b"[" * 40 + b'"' + b'\\"' * 500_000])  # fmt: skip
def test_a_mebibyte_of_brackets(client: TestClient, body: bytes) -> None:
    response = client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 422, "The request is not valid")


def test_what_nests_too_deep_is_refused_and_what_just_does_not_is_read(client: TestClient) -> None:
    deep = assert_problem(client.post("/v1/ask", json={**OPENED, "x": nested(MAX_JSON_DEPTH)}), 422)
    assert deep["detail"] == "The body is nested deeper than 32 levels."
    read = assert_problem(client.post("/v1/ask", json={**OPENED, "x": nested(MAX_JSON_DEPTH - 1)}), 422)
    assert read["detail"] == "body.x: Extra inputs are not permitted"


# -- how large ---------------------------------------------------------------------------------------------------------


def test_headers_that_are_too_large(client: TestClient) -> None:
    for headers in ({"X-Long": "x" * MAX_HEAD_BYTES}, {f"X-{n}": "x" * 100 for n in range(200)}):
        assert_problem(client.post("/v1/ask", json=OPENED, headers=headers), 431, "The headers are too large")
    assert_problem(client.get("/v1/index", params={"x": "x" * MAX_HEAD_BYTES}), 431)
    assert client.post("/v1/ask", json=OPENED, headers={"X-Long": "x" * 8000}).status_code == 200


# -- how slow ----------------------------------------------------------------------------------------------------------


async def _never(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("a request that is refused reached the application")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    import anyio

    sent: list[Message] = []

    async def receive() -> Message:
        await anyio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/ask", "query_string": b"", "raw_path": b"/v1/ask",
        "headers": [(b"content-length", b"1000")],
    }  # fmt: skip
    anyio.run(Bounded(_never, body_s=0.1), scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["title"] == "The body took too long"


class Impatient(Connection):
    """Cuts off after a second, so that a test need not wait."""

    head_s = 1.0
    read_s = 1.0


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Where ``app`` is served with little patience."""
    server = Server(app, "127.0.0.1", 0)
    server.config.load()
    server.config.http_protocol_class = Impatient
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"127.0.0.1:{server.port}"
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def served(world: World) -> Iterator[str]:
    with serving(create_app(world.footnote, body_s=1.0)) as address:
        yield address


def wait_until(condition: Any, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def connected(stack: ExitStack, address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return stack.enter_context(socket.create_connection((host, int(port)), timeout=20))


def is_cut(sock: socket.socket) -> bool:
    """Whether the server has closed its end, whatever it had said before."""
    sock.settimeout(20)
    try:
        while sock.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_those_who_dawdle_are_cut_off_and_the_others_served(served: str) -> None:
    head = b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with ExitStack() as stack:
        silent = [connected(stack, served) for _ in range(20)]
        slow = [connected(stack, served) for _ in range(20)]
        bodies = [connected(stack, served) for _ in range(20)]
        for sock in bodies:
            sock.sendall(head + b"Content-Length: 1000\r\n\r\n")
        stop = threading.Event()

        def drip() -> None:
            at = 0
            while not stop.wait(0.05):
                for sock in (*slow, *bodies):
                    try:
                        sock.sendall(head[at : at + 1] if sock in slow and at < len(head) else b"x")
                    except OSError:
                        continue  # cut off
                at += 1

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            with httpx2.Client(base_url=f"http://{served}", headers={"Connection": "close"}, timeout=20) as client:
                for _ in range(20):
                    assert "1911" in client.post("/v1/ask", json=OPENED).json()["text"]
                    assert client.get("/livez").status_code == 200
            for sock in (*silent, *slow, *bodies):
                assert is_cut(sock)
        finally:
            stop.set()
            dripping.join()


def test_a_body_that_goes_on_after_its_answer_is_cut_off(make_world: Callable[..., World], folder: Path) -> None:
    world = make_world(folder, require_key=True)
    with serving(create_app(world.footnote)) as address, ExitStack() as stack:
        sock = connected(stack, address)
        sock.sendall(b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 401 ")  # before the body is there

        def refused() -> bool:
            try:
                sock.sendall(b"x")
            except OSError:
                return True
            return False

        wait_until(refused)


LONG = 30_000_000  # bytes; more than sockets buffer


@contextmanager
def asked_for_much(world: World) -> Iterator[tuple[str, socket.socket]]:
    """Where it is served, and a connection on which a long response has been asked for."""
    app = create_app(world.footnote)

    @app.get("/long")
    async def long() -> Response:
        return Response(b"x" * LONG)

    with serving(app) as address, ExitStack() as stack:
        sock = connected(stack, address)
        sock.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        yield address, sock


def test_one_who_does_not_read_is_cut_off(world: World) -> None:
    with asked_for_much(world) as (address, sock):
        time.sleep(2.5)  # reads nothing
        received = 0
        try:
            while piece := sock.recv(1 << 20):
                received += len(piece)
        except ConnectionError:
            pass
        assert 0 < received < LONG
        assert httpx2.get(f"http://{address}/livez").status_code == 200


def test_one_who_reads_slowly_gets_it_all(world: World) -> None:
    with asked_for_much(world) as (_, sock):
        received, began = 0, time.monotonic()
        while piece := sock.recv(1 << 17):
            received += len(piece)
            time.sleep(0.01)
        assert received > LONG
        assert time.monotonic() - began > 2  # longer than one may read nothing


def raw(address: str, request: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    with ExitStack() as stack:
        sock = connected(stack, address)
        sock.sendall(request)
        received = b""
        while piece := sock.recv(65_536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no host
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60 + b"\r\n\r\n", 400),  # speaks TLS
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (MAX_HEAD_BYTES + 1), 431),
    ],
)
def test_a_head_that_cannot_be_read_is_a_problem(served: str, request_: bytes, status: int) -> None:
    told, headers, body = raw(served, request_)
    assert told == body["status"] == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert "server" not in headers


# -- how long ----------------------------------------------------------------------------------------------------------


class Slow(Footnote):
    """Takes its time after the passages."""

    def ask(self, question: Question) -> Iterator[Event]:
        for event in super().ask(question):
            yield event
            if isinstance(event, PassagesFound):
                time.sleep(2.5)


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_takes_too_long_is_ended(world: World, connect: Connect, stream: bool) -> None:
    settings = Settings(
        source=world.source, data=world.data, encoder=world.encoder.name, reader=False, request_timeout_s=1
    )
    client = connect(Slow(settings, encoder=lambda: world.encoder, in_child=False))
    response = client.post("/v1/ask", json={**OPENED, "stream": stream})
    if stream:
        (first, _), (last, told) = events_of(response.text)
        assert (first, last) == ("passages", "error")
    else:
        told = assert_problem(response, 503)
        assert response.headers["retry-after"] == "2"
    assert (told["title"], told["detail"]) == ("The request took too long", "It was ended after 1 s.")
    assert client.get("/v1/index").status_code == 200


def test_a_chat_that_takes_too_long_ends_with_an_error_that_its_clients_read(world: World, connect: Connect) -> None:
    settings = Settings(
        source=world.source, data=world.data, encoder=world.encoder.name, reader=False, request_timeout_s=1
    )
    client = connect(Slow(settings, encoder=lambda: world.encoder, in_child=False))
    chat = {"model": "footnote", "stream": True, "messages": [{"role": "user", "content": OPENED["question"]}]}
    *_, last = client.post("/v1/chat/completions", json=chat).text.strip().split("\n\n")
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == "It was ended after 1 s."
