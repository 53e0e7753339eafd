from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from api.app import create_app
from api.compose import Footnote
from api.guard import presented
from api.keys import KeysError, add_key, keys_file, revoke_key
from api.openai_errors import speaks_openai
from api.serving import refuse_without_key
from api.settings import Settings, is_loopback
from rag.types import Event, Question
from tests.api.conftest import Connect, Live, assert_openai_error, assert_problem, routes
from tests.conftest import World

OPENED = {"question": "When was the harbour opened?"}
ANYONE = ("/livez", "/readyz", "/", "/docs", "/static/app.js", "/static/vendor/swagger-ui/swagger-ui-bundle.js")
Guarded = Callable[..., tuple[TestClient, str]]


@pytest.fixture
def guarded(make_world: Callable[..., World], connect: Connect, folder: Path) -> Guarded:
    """A client of a server that needs a key, and a key."""

    def make(**settings: Any) -> tuple[TestClient, str]:
        world = make_world(folder, **{"require_key": True, **settings})
        world.build()
        return connect(world.footnote), add_key(keys_file(world.data), "ana")

    return make


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# -- who must have a key -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.9", False), ("", False), ("localhost.example.org", False), ("127.0.0.1.example.org", False)],
)  # fmt: skip
def test_a_key_is_needed_where_another_machine_could_ask(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
    assert Settings(host=host).needs_key != loopback
    assert Settings(host=host, require_key=True).needs_key


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"host": "::"}, {"require_key": True}])
def test_without_a_key_it_does_not_start_where_one_is_needed(tmp_path: Path, settings: dict[str, Any]) -> None:
    chosen = Settings(data=tmp_path / "data", **settings)
    with pytest.raises(KeysError, match="there is none") as raised:
        refuse_without_key(chosen)
    assert "footnote keys add" in raised.value.remedy
    add_key(keys_file(chosen.data), "ana")
    refuse_without_key(chosen)
    revoke_key(keys_file(chosen.data), "ana")
    with pytest.raises(KeysError):
        refuse_without_key(chosen)


def test_on_a_loopback_address_it_starts_without(tmp_path: Path) -> None:
    refuse_without_key(Settings(data=tmp_path / "data"))


def everything(client: TestClient) -> Iterator[tuple[str, str]]:
    """``(method, path)`` of every operation that the OpenAPI document has, and of much that it has not."""
    document = client.app.openapi()  # type: ignore[attr-defined] # a FastAPI
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert routes() <= described
    for path in {path for _, path in described}:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            yield method, re.sub(r"{\w+}", "x", path)
    for path in ("/nothing", "/v1", "/openapi.json", "/redoc", "/docs/", "/static", "/metrics/",
                 "/livez/", "/livez/x", "/LIVEZ", "/mcp", "/v1/chat/completions",
                 "/favicon.ico", "/%2e%2e/etc/passwd"):  # fmt: skip
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            yield method, path


def test_without_a_key_nothing_is_told(guarded: Guarded) -> None:
    client, _ = guarded()
    walked = [(method, path) for method, path in everything(client) if path not in ANYONE]
    assert len(walked) > 100
    for method, path in walked:
        response = client.request(method, path, follow_redirects=False)
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["x-content-type-options"] == "nosniff"
        if method != "HEAD" and speaks_openai(path):
            assert_openai_error(response, 401, "invalid_api_key")
        elif method != "HEAD":
            assert_problem(response, 401, "A key is needed")


def test_probes_and_the_page_are_anyone_s(guarded: Guarded) -> None:
    client, _ = guarded()
    for path in ANYONE:
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.9"])
def test_on_another_address_a_key_is_needed_though_nobody_said_so(guarded: Guarded, host: str) -> None:
    client, key = guarded(host=host, require_key=False)
    assert_problem(client.post("/v1/ask", json=OPENED), 401)
    assert client.post("/v1/ask", json=OPENED, headers=bearer(key)).status_code == 200


# -- how a key is sent -------------------------------------------------------------------------------------------------


def test_a_key_opens_every_route(guarded: Guarded) -> None:
    client, key = guarded()
    for headers in (bearer(key), {"authorization": f"bearer  {key} "}, {"X-Api-Key": key}):
        assert client.post("/v1/ask", json=OPENED, headers=headers).status_code == 200
        for path in ("/v1/index", "/v1/documents", "/metrics", "/openapi.json"):
            assert client.get(path, headers=headers).status_code == 200, path
        assert client.get("/nothing", headers=headers).status_code == 404


def test_what_is_nearly_a_key_opens_none(guarded: Guarded) -> None:
    client, key = guarded()
    for headers in (
        bearer(key[:-1]), bearer(key + "x"), bearer(key.upper()), bearer("x" + key[1:]), bearer(""), bearer("null"),
        {"Authorization": key}, {"Authorization": f"Basic {key}"}, {"Authorization": f"Bearer{key}"},
        {"Cookie": f"key={key}"}, {"X-Api-Key": ""}, {"X-Api-Key": f"Bearer {key}"},
    ):  # fmt: skip
        assert_problem(client.get("/v1/index", headers=headers), 401)


def test_a_key_in_the_address_is_none(guarded: Guarded) -> None:
    client, key = guarded()
    for name in ("key", "api_key", "access_token", "x-api-key", "authorization"):
        assert_problem(client.get("/v1/index", params={name: key}), 401)


def test_of_two_headers_the_first_counts() -> None:
    assert presented([(b"authorization", b"Bearer one"), (b"authorization", b"Bearer two")]) == b"one"
    assert presented([(b"x-api-key", b"two"), (b"authorization", b"Bearer one")]) == b"one"
    assert presented([(b"authorization", b"Basic one"), (b"x-api-key", b"two")]) == b"two"


def test_a_running_server_hears_of_keys(guarded: Guarded) -> None:
    client, ana = guarded()
    data = client.app.state.footnote.footnote.settings.data  # type: ignore[attr-defined] # a FastAPI
    ben = add_key(keys_file(data), "ben")
    assert client.get("/v1/index", headers=bearer(ben)).status_code == 200
    revoke_key(keys_file(data), "ben")
    assert_problem(client.get("/v1/index", headers=bearer(ben)), 401)
    assert client.get("/v1/index", headers=bearer(ana)).status_code == 200


def test_when_the_keys_cannot_be_read_nobody_is_let_in(guarded: Guarded) -> None:
    client, key = guarded()
    data = client.app.state.footnote.footnote.settings.data  # type: ignore[attr-defined] # a FastAPI
    keys_file(data).write_text("{")
    response = client.get("/v1/index", headers=bearer(key))
    assert_problem(response, 503, "The keys cannot be read")
    assert response.headers["retry-after"] == "2"
    assert client.get("/livez").status_code == 200


def test_where_none_is_needed_any_key_will_do(client: TestClient) -> None:
    assert client.get("/v1/index", headers=bearer("sk-of-another-service")).status_code == 200


# -- a key is a secret -------------------------------------------------------------------------------------------------


def test_the_log_names_the_key_and_never_tells_it(guarded: Guarded, logs: list[Any]) -> None:
    client, key = guarded()
    wrong = "fn_canary-that-nobody-may-see"
    told = []
    for canary in (key, wrong):
        for response in (
            client.post("/v1/ask", json=OPENED, headers=bearer(canary)),
            client.get("/v1/index", headers={"X-Api-Key": canary}),
            client.get("/v1/index", params={"key": canary}),
            client.post("/v1/ask", json={"question": "x", canary: canary}, headers=bearer(key)),
            client.post("/v1/ask", content=canary, headers={**bearer(key), "Content-Type": "application/json"}),
            client.post("/v1/ask", json=OPENED, headers={**bearer(key), "Cookie": canary, "Accept": canary}),
        ):
            told.append(str(response.headers))
            if '"errors"' not in response.text:  # there a field of the client's own is named
                told.append(response.text)
    told += [repr(entry) for entry in logs]
    told.append(client.get("/metrics", headers=bearer(key)).text)
    for canary in (key, wrong):
        assert not [text for text in told if canary in text]
    requests = [entry["key"] for entry in logs if entry["event"] == "request"]
    assert set(requests) == {"ana", ""}
    assert keys_file(client.app.state.footnote.footnote.settings.data).exists()  # type: ignore[attr-defined]


# -- without keys: other sites' pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8000", "127.0.0.1.nip.io", "a.b"])
def test_where_no_key_is_needed_it_does_not_go_by_a_name_that_someone_may_own(client: TestClient, host: str) -> None:
    response = client.get("/v1/documents", headers={"Host": host})
    assert_problem(response, 421, "The server does not go by this name")
    assert client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "localhost:8000", "footnote:8000", "notes.localhost", ""]
)
def test_addresses_and_local_names_are_its_own(client: TestClient, host: str) -> None:
    assert client.get("/v1/documents", headers={"Host": host}).status_code == 200


def test_with_a_key_it_goes_by_any_name(guarded: Guarded) -> None:
    client, key = guarded()
    assert client.get("/v1/documents", headers={**bearer(key), "Host": "docs.example.org"}).status_code == 200


def test_another_site_s_page_changes_nothing(client: TestClient) -> None:
    for site in ("cross-site", "same-site"):
        for path in ("/v1/index/rebuild", "/v1/index/rollback", "/v1/ask"):
            response = client.post(path, headers={"Sec-Fetch-Site": site})
            assert_problem(response, 403, "The request comes from another site")
        assert client.get("/v1/index", headers={"Sec-Fetch-Site": site}).status_code == 200
    for site in ("same-origin", "none"):
        assert client.post("/v1/ask", json=OPENED, headers={"Sec-Fetch-Site": site}).status_code == 200


# -- how much ----------------------------------------------------------------------------------------------------------


def test_beyond_the_rate_a_key_has_to_wait(guarded: Guarded) -> None:
    client, ana = guarded(rate_limit="3/hour")
    data = client.app.state.footnote.footnote.settings.data  # type: ignore[attr-defined] # a FastAPI
    for _ in range(3):
        assert client.get("/v1/index", headers=bearer(ana)).status_code == 200
    response = client.get("/v1/index", headers=bearer(ana))
    assert_problem(response, 429, "Too many requests")
    assert 3500 < int(response.headers["retry-after"]) <= 3600
    ben = add_key(keys_file(data), "ben")  # another's rate is another's
    assert client.get("/v1/index", headers=bearer(ben)).status_code == 200
    for path in ANYONE:
        assert client.get(path, headers=bearer(ana)).status_code == 200, path
    assert_problem(client.get("/v1/index"), 401)


def test_without_keys_an_address_has_a_rate_whatever_it_says_of_itself(
    make_world: Callable[..., World], live: Live, folder: Path
) -> None:
    world = make_world(folder, rate_limit="5/hour")
    world.build()
    url = live(world.footnote)
    statuses = []
    for n in range(12):
        forwarded = {"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}", "X-Real-IP": f"10.0.0.{n}"}
        statuses.append(httpx2.get(f"{url}/v1/index", headers={**forwarded, "X-Api-Key": f"sk-{n}"}).status_code)
    assert statuses == [200] * 5 + [429] * 7


@pytest.mark.parametrize("limit", ["sixty", "60", "60/fortnight", "/minute", "-1/minute"])
def test_a_rate_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="write it as 60/minute"):
        Settings(rate_limit=limit)


class Held(Footnote):
    """Answers when the test says so."""

    def __init__(self, settings: Settings, world: World) -> None:
        super().__init__(settings, encoder=lambda: world.encoder, in_child=False)
        self.go = threading.Event()
        self.asked = threading.Semaphore(0)

    def ask(self, question: Question) -> Iterator[Event]:
        self.asked.release()
        assert self.go.wait(20)
        yield from super().ask(question)


def test_beyond_so_many_at_a_time_a_key_has_to_wait(world: World, live: Live) -> None:
    settings = Settings(
        source=world.source, data=world.data, encoder=world.encoder.name, reader=False, require_key=True,
        max_concurrent_per_key=2,
    )  # fmt: skip
    held = Held(settings, world)
    ana, ben = (add_key(keys_file(world.data), name) for name in ("ana", "ben"))
    url = live(held)
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(httpx2.post(f"{url}/v1/ask", json=OPENED, headers=bearer(ana), timeout=30).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.asked.acquire(timeout=20)
    response = httpx2.post(f"{url}/v1/ask", json=OPENED, headers=bearer(ana))
    assert_problem(response, 429, "Too many requests at a time")
    assert response.headers["retry-after"] == "1"
    assert httpx2.get(f"{url}/v1/index", headers=bearer(ben)).status_code == 200
    assert httpx2.get(f"{url}/readyz").status_code == 200
    held.go.set()
    for thread in threads:
        thread.join(30)
    assert statuses == [200, 200]
    assert httpx2.post(f"{url}/v1/ask", json=OPENED, headers=bearer(ana)).status_code == 200


def test_a_web_socket_is_refused(world: World) -> None:
    client = TestClient(create_app(world.footnote))
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/ask"):
        pass
