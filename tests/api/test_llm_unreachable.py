"""An LLM that cannot be reached at all: its name means nothing, or what listens there speaks no TLS as it should."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Connect, events_of
from tests.conftest import World
from tests.rag.port import fill

QUESTION = "When was the harbour opened, and what did building the harbour cost?"
TIMEOUT_S, IDLE_S = 1.5, 0.6
Play = Callable[[socket.socket, threading.Event], None]


@contextmanager
def listener(play: Play) -> Iterator[str]:
    """Host and port of a server that plays ``play`` to whoever connects, and the number of those who did."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            play(connection, over)

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def _plain(connection: socket.socket, _: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _silent(_: socket.socket, over: threading.Event) -> None:
    over.wait(30)


def _cut(connection: socket.socket, _: threading.Event) -> None:
    connection.recv(65_536)


def _alert(connection: socket.socket, _: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure


def _half(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65_536)
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00")  # the beginning of a long ServerHello
    over.wait(30)


HANDSHAKES: dict[str, tuple[Play, str]] = {
    "speaks no TLS": (_plain, "llm_unreachable"),
    "never shakes hands": (_silent, "llm_timeout"),
    "hangs up instead": (_cut, "llm_unreachable"),
    "refuses": (_alert, "llm_unreachable"),
    "stops half way": (_half, "llm_timeout"),
}


@pytest.fixture
def asked(make_world: Callable[..., World], connect: Connect, tmp_path: Path) -> Callable[[str, bool], dict[str, Any]]:
    """The answer of a Footnote whose LLM is at the address given, which is to come in good time."""

    def ask(url: str, stream: bool) -> dict[str, Any]:
        world = make_world(
            fill(tmp_path / "port"), llm_url=url, llm_model="m", llm_timeout_s=TIMEOUT_S, llm_idle_s=IDLE_S,
            min_confidence=0.0,
        )  # fmt: skip
        world.build()
        client = connect(world.footnote)
        began = time.monotonic()
        response = client.post("/v1/ask", json={"question": QUESTION, "stream": stream})
        assert time.monotonic() - began < TIMEOUT_S + 20  # it has not hung
        assert response.status_code == 200
        given: dict[str, Any] = events_of(response.text)[-1][1] if stream else response.json()
        assert given["mode"] == "extractive"
        assert "1911" in given["text"]
        assert given["citations"]
        return given

    return ask


@pytest.mark.parametrize("stream", [False, True])
def test_a_name_that_means_nothing(asked: Callable[[str, bool], dict[str, Any]], stream: bool) -> None:
    # Longer than a name may be, so that the resolver says so by itself and nobody else is asked.
    assert asked(f"http://{'a.' * 130}invalid/v1", stream)["fallback"] == "llm_unreachable"


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_handshake_that_comes_to_nothing(asked: Callable[[str, bool], dict[str, Any]], name: str) -> None:
    play, code = HANDSHAKES[name]
    with listener(play) as address:
        assert asked(f"https://{address}/v1", False)["fallback"] == code


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody vouches for, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(made), "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return made, key


def test_a_certificate_that_nobody_vouches_for(
    asked: Callable[[str, bool], dict[str, Any]], certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    received: list[bytes] = []

    def play(connection: socket.socket, _: threading.Event) -> None:
        with ExitStack() as stack, suppress(ssl.SSLError):
            received.append(stack.enter_context(context.wrap_socket(connection, server_side=True)).recv(65_536))

    with listener(play) as address:
        assert asked(f"https://{address}/v1", False)["fallback"] == "llm_unreachable"
    assert not any(received), "the question was sent to whoever it was"
