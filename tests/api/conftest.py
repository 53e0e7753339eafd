"""The application as its clients see it, over the three short documents."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.routing import APIRoute
from starlette.testclient import TestClient
from structlog.testing import LogCapture

import api.routes
from api import cli
from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from index.errors import CorruptGeneration
from index.types import Encoder
from rag.types import Event, PassagesFound, Question
from tests.api.towns import write_towns
from tests.conftest import EMOJI, HARBOUR, HOSTILE, World, serve

Connect = Callable[[Footnote], TestClient]
Live = Callable[[Footnote], str]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What was logged; nothing is printed."""
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.reset_defaults()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Clients of applications that run until the test ends."""
    with ExitStack() as stack:
        yield lambda footnote: stack.enter_context(TestClient(create_app(footnote), raise_server_exceptions=False))


@pytest.fixture
def live() -> Iterator[Live]:
    """Addresses of real servers that run until the test ends."""
    with ExitStack() as stack:
        yield lambda footnote: stack.enter_context(contextmanager(serve)(footnote))


@pytest.fixture
def client(world: World, connect: Connect) -> TestClient:
    return connect(world.footnote)


@pytest.fixture
def towns(make_world: Callable[..., World], tmp_path: Path) -> World:
    """Twelve towns, indexed."""
    write_towns(tmp_path / "towns")
    world = make_world(tmp_path / "towns")
    world.build()
    return world


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def routes() -> set[tuple[str, str]]:
    """``(method, path)`` of every route that the modules of api.routes define and describe."""
    modules = [
        importlib.import_module(f"api.routes.{found.name}") for found in pkgutil.iter_modules(api.routes.__path__)
    ]
    return {
        (method, route.path)
        for module in modules
        for route in module.router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }


def events_of(body: str) -> list[tuple[str, Any]]:
    """``(name, data)`` of each server-sent event, read as strictly as the format allows."""
    events = []
    assert body.endswith("\n\n")
    for block in body.removesuffix("\n\n").split("\n\n"):
        (name,) = [line.removeprefix("event: ") for line in block.split("\n") if line.startswith("event: ")]
        (data,) = [line.removeprefix("data: ") for line in block.split("\n") if line.startswith("data: ")]
        events.append((name, json.loads(data)))
    return events


def assert_problem(response: Any, status: int, title: str = "") -> dict[str, Any]:
    """The body, which is a problem of this status and tells nothing of the machine."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == status
    assert body["title"] == (title or body["title"])
    assert_no_secret(response)
    return body


def assert_openai_error(response: Any, status: int, code: str) -> dict[str, Any]:
    """The error object, which is as OpenAI's clients read it and tells nothing of the machine."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    (error,) = response.json().values()
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["code"] == code
    assert_no_secret(response)
    told: dict[str, Any] = error
    return told


def assert_no_secret(response: Any) -> None:
    for secret in ("/tmp/", "/srv/", "Traceback", "Error", 'File "', "site-packages", "sqlite", "0x"):
        assert secret not in response.text


class Failing(Footnote):
    """Fails after the passages, or at once."""

    error: Exception = CorruptGeneration("The stored text of passage 3 in /srv/footnote is damaged.")
    at_once = False

    def ask(self, question: Question) -> Iterator[Event]:
        for event in super().ask(question):
            if self.at_once or not isinstance(event, PassagesFound):
                raise self.error
            yield event


@pytest.fixture
def failing(world: World) -> Iterator[Failing]:
    settings = Settings(source=world.source, data=world.data, encoder=world.encoder.name, reader=False)
    footnote = Failing(settings, encoder=lambda: world.encoder, in_child=False)
    yield footnote
    footnote.close()


# -- the command line -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Footnotes = Callable[..., Ran]


@pytest.fixture
def footnote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Footnotes]:
    """The command ``footnote``, run in this process in a folder of its own."""
    for name in os.environ:
        if name.startswith("FOOTNOTE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["footnote", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    yield run
    structlog.reset_defaults()


@dataclass(frozen=True)
class Indexed:
    source: Path
    data: Path


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, encoders: Path, real_encoder: Encoder) -> Indexed:
    """The three short documents, indexed with the default model; nothing may change them."""
    folder = tmp_path_factory.mktemp("indexed")
    source, data = folder / "documents", folder / "data"
    source.mkdir()
    data.mkdir()
    for name, text in (("harbour.txt", HARBOUR), ("emoji.md", EMOJI), ("hostile.html", HOSTILE)):
        (source / name).write_text(text, "utf-8")
    (data / "encoders").symlink_to(encoders)
    made = Footnote(Settings(source=source, data=data), encoder=lambda: real_encoder, in_child=False)
    made.rebuild(lambda *_: None)
    made.close()
    return Indexed(source, data)


def own(indexed: Indexed, tmp_path: Path) -> Indexed:
    """A copy to change."""
    return Indexed(
        shutil.copytree(indexed.source, tmp_path / "documents"),
        shutil.copytree(indexed.data, tmp_path / "data", symlinks=True),
    )


def sentence(ran: Ran) -> str:
    """What went wrong, told in a sentence on stderr and nowhere else."""
    assert ran.code == 3, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.strip().endswith((".", "!"))
    return " ".join(ran.err.split())
