from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

import api
import eval as evaluation_package
import index
import rag
from api.app import create_app
from api.bounds import MAX_BODY_BYTES
from api.compose import Footnote
from api.gate import Gate
from api.mcp_stdio import McpMissing
from api.offline import NetworkUsed
from api.openai_errors import speaks_openai
from api.problems import ROWS, Overloaded, problem_of
from api.remote import RemoteError
from api.settings import Settings
from eval.errors import BundleError, CalibrationError
from index.errors import (
    BuildFailed,
    Busy,
    CorruptGeneration,
    DiskFailed,
    DiskFull,
    EncoderError,
    FootnoteError,
    IncompatibleIndex,
    NeedsConfirmation,
    NoGeneration,
    NotFound,
    ReadOnly,
    SkipFile,
    SourceError,
)
from rag.errors import BadQuestion, LlmError
from rag.types import Event, Question
from tests.api.conftest import Connect, assert_openai_error, assert_problem, routes
from tests.conftest import World

JSON = {"Content-Type": "application/json"}

# -- errors of our own -------------------------------------------------------------------------------------------------

# Never raised in a server, or caught there: the command line's own, and the process of footnote doctor --offline.
NOT_SERVED: set[type[FootnoteError]] = {NetworkUsed, BundleError, RemoteError, CalibrationError, LlmError, McpMissing}
# Their messages are told as they are: they say nothing but what the client sent, or are fixed sentences, some with a
# number in them.
TOLD_AS_THEY_ARE: set[type[FootnoteError]] = {
    *(BadQuestion, NeedsConfirmation, NotFound, SkipFile, Overloaded, DiskFull, ReadOnly, DiskFailed)
}


def below(kind: type[FootnoteError]) -> Iterator[type[FootnoteError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def import_all(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith("eval.suites"):
            importlib.import_module(found.name)


def every_error() -> set[type[FootnoteError]]:
    for package in (index, rag, evaluation_package, api):
        import_all(package)
    ours = {package.__name__ for package in (index, rag, evaluation_package, api)}
    return {kind for kind in below(FootnoteError) if kind.__module__.split(".")[0] in ours}


def test_every_error_has_a_row() -> None:
    assert every_error() - set(ROWS) == NOT_SERVED
    assert set(ROWS) - every_error() == {FootnoteError}


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
def test_a_problem_names_no_path(kind: type[FootnoteError]) -> None:
    error = kind("empty") if kind is SkipFile else kind("/srv/secret/CURRENT is damaged.", remedy="See /srv/secret.")
    body = problem_of(error, "/v1/ask")
    assert 400 <= body["status"] < 600
    assert body["title"] and body["detail"]
    assert kind.__name__ not in json.dumps(body)
    assert ("/srv/secret" in json.dumps(body)) == (kind in TOLD_AS_THEY_ARE - {SkipFile})


class Broken(Footnote):
    """Raises what it is told to."""

    error: Exception | None = None

    def ask(self, question: Question) -> Iterator[Event]:
        if self.error is not None:
            raise self.error
        yield from super().ask(question)


@pytest.fixture
def broken(world: World) -> Iterator[Broken]:
    settings = Settings(source=world.source, data=world.data, encoder=world.encoder.name, reader=False)
    footnote = Broken(settings, encoder=lambda: world.encoder, in_child=False)
    yield footnote
    footnote.close()


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (BadQuestion("The question is empty."), 422, None),
        (NoGeneration("x"), 503, "2"),
        (IncompatibleIndex("made with the encoder '/srv/model'"), 503, "2"),
        (CorruptGeneration("/srv/data/documents.db cannot be read"), 503, "2"),
        (NotFound("There is no passage 'x'."), 404, None),
        (Busy("Another process is writing to /srv/data."), 409, None),
        (SourceError("The source folder /srv/x cannot be opened."), 409, None),
        (NeedsConfirmation("7 of the 10 documents indexed are gone."), 409, None),
        (DiskFull("The disk of the data folder is full."), 507, None),
        (ReadOnly("The data folder cannot be written to."), 503, "2"),
        (DiskFailed("The disk of the data folder does not do what it is told."), 500, None),
        (EncoderError("/srv/model.onnx is damaged."), 503, "2"),
        (BuildFailed("The build failed (OSError: /srv/x)."), 500, None),
        (Overloaded("The server is busy."), 503, "2"),
        (FootnoteError("/srv/x"), 500, None),
        (ZeroDivisionError("/srv/x"), 500, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_over_http(
    broken: Broken, connect: Connect, error: Exception, status: int, retry_after: str | None, stream: bool
) -> None:
    broken.error = error
    response = connect(broken).post("/v1/ask", json={"question": "x", "stream": stream})
    body = assert_problem(response, status)
    assert body["instance"] == "/v1/ask"
    assert response.headers.get("retry-after") == retry_after
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_what_nobody_foresaw_is_logged_and_not_told(broken: Broken, connect: Connect, logs: list[Any]) -> None:
    broken.error = ZeroDivisionError("a secret")
    response = connect(broken).post("/v1/ask", json={"question": "x"})
    assert "secret" not in assert_problem(response, 500, "Something went wrong")["detail"]
    (entry,) = [entry for entry in logs if entry["event"] == "unexpected_error"]
    assert entry["exc_info"] is broken.error


def test_without_an_index_every_route_that_needs_one_says_so(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    client = connect(make_world(folder).footnote)
    for response in (
        client.post("/v1/ask", json={"question": "harbour"}),
        client.post("/v1/ask", json={"question": "harbour", "stream": True}),
        client.post("/v1/search", json={"query": "harbour"}),
        client.get("/v1/documents"),
        client.get("/v1/documents/x"),
        client.get("/v1/documents/x/text"),
        client.get("/v1/passages/x-0-1"),
        client.get("/v1/index"),
        client.post("/v1/index/rollback"),
    ):
        assert_problem(response, 503, "Nothing is indexed yet")
        assert response.headers["retry-after"] == "2"


def test_an_index_made_with_another_encoder(make_world: Callable[..., World], connect: Connect, world: World) -> None:
    settings = Settings(source=world.source, data=world.data, encoder="/srv/another", reader=False)
    client = connect(Footnote(settings, encoder=lambda: world.encoder, in_child=False))
    assert_problem(client.post("/v1/ask", json={"question": "x"}), 503, "The index does not fit the settings")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["detail"]) == (503, "The index does not fit the settings")


# -- requests that cannot be served ------------------------------------------------------------------------------------


def test_no_such_page(client: TestClient) -> None:
    for path in ("/nothing", "/v1", "/v1/", "/static/", "/static/nothing.js", "/redoc"):
        assert_problem(client.get(path), 404, "Not Found")


def test_nothing_but_the_page_s_own_files_is_served(client: TestClient) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert_problem(client.get(path), 404)


@pytest.mark.parametrize(("method", "path"), sorted(routes()))
def test_no_such_method(client: TestClient, method: str, path: str) -> None:
    for other in {"GET", "POST", "PUT", "DELETE"} - {method}:
        response = client.request(other, path.format(document_id="x", passage_id="x", job_id="x", model="x"))
        if speaks_openai(path):
            assert_openai_error(response, 405, "method_not_allowed")
        else:
            assert_problem(response, 405, "Method Not Allowed")
        assert response.headers["allow"] == method


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search", "/v1/feedback", "/v1/index/rollback"])
@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b"\xff\xfe", b'"text"', b"[]", b'{"question": 1}', b'{"question": "x", "k": NaN}',
     b'{"\\ud800": 1}', b'{"question": {}, "query": {}, "generation": {}, "answer_id": {}}'],
)  # fmt: skip
def test_a_body_that_is_not_what_it_should_be(client: TestClient, path: str, body: bytes) -> None:
    assert_problem(client.post(path, content=body, headers=JSON), 422, "The request is not valid")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b'{"question":"x","k":' + b"9" * 5000 + b"}"],
    ids=["open", "closed", "objects", "digits"],
)
@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search"])
def test_a_body_made_to_break_the_reader_of_json(client: TestClient, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers=JSON)
    assert_problem(response, response.status_code)
    assert response.status_code in (400, 422)


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("/v1/ask", {"question": "x", "temperature": 0}, "body.temperature"),
        ("/v1/ask", {"question": "x", "k": 0}, "body.k"),
        ("/v1/ask", {"question": "x", "k": 51}, "body.k"),
        ("/v1/ask", {"question": "x", "k": 10**30}, "body.k"),
        ("/v1/ask", {"question": "x", "k": "many"}, "body.k"),
        ("/v1/ask", {"question": "x" * 8001}, "body.question"),
        ("/v1/ask", {"question": "x", "mode": "poetic"}, "body.mode"),
        ("/v1/ask", {"question": "x", "messages": [{"role": "oracle", "content": "x"}]}, "body.messages.0.role"),
        ("/v1/ask", {"question": "x", "messages": [{"role": "user", "content": "x", "to": "y"}]}, "body.messages.0.to"),
        ("/v1/ask", {"question": "x", "messages": [{"role": "user", "content": ""}] * 101}, "body.messages"),
        ("/v1/ask", {"question": "x", "documents": ["x"] * 1001}, "body.documents"),
        ("/v1/ask", {"question": "x", "documents": "harbour.txt"}, "body.documents"),
        ("/v1/ask", {}, "body.question"),
        ("/v1/search", {"query": ""}, "body.query"),
        ("/v1/search", {"query": "x", "k": 51}, "body.k"),
        ("/v1/search", {"query": "x", "max_tokens": 0}, "body.max_tokens"),
        ("/v1/search", {"query": "x", "rerank": True}, "body.rerank"),
        ("/v1/index/rollback", {"name": "000001"}, "body.name"),
        ("/v1/index/rebuild", {"confirm_deletions": 1}, "body.confirm_deletions"),
        ("/v1/index/rebuild", {"confirm_deletions": "yes"}, "body.confirm_deletions"),
        ("/v1/ask", {"question": "x", "k": True}, "body.k"),
        ("/v1/ask", {"question": "x", "k": "5"}, "body.k"),
        ("/v1/ask", {"question": "x", "stream": 1}, "body.stream"),
    ],
)
def test_fields_that_are_not_valid_are_named(client: TestClient, path: str, body: dict[str, Any], at: str) -> None:
    told = assert_problem(client.post(path, json=body), 422, "The request is not valid")
    assert at in [error["at"] for error in told["errors"]]
    assert at in told["detail"]


@pytest.mark.parametrize("question", ["", "   ", "?!", "ø" * 4001])
@pytest.mark.parametrize("stream", [False, True])
def test_a_question_that_cannot_be_answered_as_put(client: TestClient, question: str, stream: bool) -> None:
    response = client.post("/v1/ask", json={"question": question, "stream": stream})
    assert_problem(response, 422, "The question cannot be answered as put")


def pieces(size: int) -> Iterator[bytes]:
    for start in range(0, size, 65_536):
        yield b" " * min(65_536, size - start)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_a_mebibyte_is_refused(client: TestClient, announced: bool) -> None:
    size = MAX_BODY_BYTES + 1
    response = client.post("/v1/ask", content=b" " * size if announced else pieces(size), headers=JSON)
    body = assert_problem(response, 413)
    assert body["detail"] == "The body is larger than 1048576 bytes."
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_body_of_a_mebibyte_is_read(client: TestClient) -> None:
    body = b'{"question": "When was the harbour opened?"}'
    response = client.post("/v1/ask", content=body + b" " * (MAX_BODY_BYTES - len(body)), headers=JSON)
    assert response.status_code == 200


# -- too many at once --------------------------------------------------------------------------------------------------


def test_when_too_many_wait_the_next_is_refused(world: World, connect: Connect) -> None:
    client = connect(world.footnote)
    client.app.state.footnote.gate = Gate(max_waiting=0)  # type: ignore[attr-defined] # a FastAPI
    response = client.post("/v1/ask", json={"question": "harbour"})
    assert_problem(response, 503, "Too many questions are waiting")
    assert response.headers["retry-after"] == "2"


def test_the_application_can_be_made_without_touching_the_disk(tmp_path: Path) -> None:
    settings = Settings(source=tmp_path / "none", data=tmp_path / "data")
    create_app(Footnote(settings))
    assert list(tmp_path.iterdir()) == []
