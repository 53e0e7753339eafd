"""An OpenAI-compatible endpoint made by hand on sockets, so that it can misbehave in every way a network allows."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Behaviour = Callable[[socket.socket, threading.Event], None]
"""Plays one reply; the event is set when the test is over."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass
class Endpoint:
    """Plays ``behaviour`` to every request, or what ``script`` holds first."""

    url: str
    behaviour: Behaviour
    script: list[Behaviour] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)  # bodies
    heads: list[str] = field(default_factory=list)


@contextmanager
def endpoint(behaviour: Behaviour) -> Iterator[Endpoint]:
    """A server on a free port of the loopback address."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", behaviour)
    over = threading.Event()

    def play(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client may go away at any time
            head, body = _read_request(connection)
            served.heads.append(head)
            served.requests.append(json.loads(body))
            chosen = served.script.pop(0) if served.script else served.behaviour
            chosen(connection, over)

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=play, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield served
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _read_request(connection: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < length:
        body += connection.recv(65536)
    return head.decode(), body


# -- replies -----------------------------------------------------------------------------------------------------------


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


DONE = event("", "stop") + b"data: [DONE]\n\n"


def says(text: str, size: int = 9) -> Behaviour:
    """A well-behaved stream."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return sends(HEAD + b"".join(event(piece) for piece in pieces) + DONE)


def sends(*parts: bytes) -> Behaviour:
    def play(connection: socket.socket, _: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return play


def status(code: int, body: bytes = b'{"error": {"message": "no"}}') -> Behaviour:
    head = f"HTTP/1.1 {code} No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return sends(head.encode() + body)


def hangs(after: bytes) -> Behaviour:
    """Sends ``after`` and then nothing, and keeps the connection open."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(after)
        over.wait(30)

    return play


def drips(after: bytes, part: bytes, pause_s: float = 0.05) -> Behaviour:
    """Sends ``after`` and then ``part`` again and again, never silent for long."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(after)
        while not over.wait(pause_s):
            connection.sendall(part)

    return play


def floods(after: bytes, part: bytes, times: int) -> Behaviour:
    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(after)
        for _ in range(times):
            connection.sendall(part)

    return play


def resets(after: bytes) -> Behaviour:
    """Sends ``after`` and breaks the connection."""

    def play(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(after)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    return play
