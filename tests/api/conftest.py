"""The application as its clients see it, over the three short documents."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.routing import APIRoute
from starlette.testclient import TestClient
from structlog.testing import LogCapture

import api.routes
from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from index.errors import CorruptGeneration
from rag.types import Event, PassagesFound, Question
from tests.api.towns import write_towns
from tests.conftest import World, serve

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
