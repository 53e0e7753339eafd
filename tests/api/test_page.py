from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.openai_errors import speaks_openai
from api.routes.page import WEB
from tests.api.conftest import routes

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class References(HTMLParser):
    """Every address that an HTML page makes a browser load or offer, and every script or style it holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [values[name] or "" for name in ("src", "href", "action", "srcset", "data") if name in values]
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)


def policy(client: TestClient, path: str) -> dict[str, str]:
    header = client.get(path).headers["content-security-policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = References()
    page.feed(response.text)
    assert page.inline == []
    assert any(reference.endswith(".js") for reference in page.found)
    for reference in page.found:
        assert reference.startswith(("/", "#")) and not reference.startswith("//"), reference
        if not reference.startswith("#"):
            assert client.get(reference).status_code == 200, reference


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_policy_of_a_page_allows_this_server_alone(client: TestClient, path: str) -> None:
    allowed = policy(client, path)
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == allowed["connect-src"] == allowed["style-src"] == "'self'"
    assert allowed["base-uri"] == allowed["form-action"] == allowed["frame-ancestors"] == "'none'"
    assert set(" ".join(allowed.values()).split()) <= {"'none'", "'self'", "'script'", "data:", "'unsafe-inline'"}


def test_the_chat_page_allows_nothing_inline_and_no_markup_from_strings(client: TestClient) -> None:
    allowed = policy(client, "/")
    assert "'unsafe-inline'" not in " ".join(allowed.values())
    assert allowed["require-trusted-types-for"] == "'script'"


def own_files() -> Iterator[Path]:
    for path in WEB.rglob("*"):
        if path.suffix in {".js", ".css", ".html", ".svg"} and "swagger-ui-bundle" not in path.name:
            yield path


@pytest.mark.parametrize("path", sorted(own_files()), ids=lambda path: path.name)
def test_no_file_of_the_page_names_another_site(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")  # a namespace, never fetched
    text = re.sub(r"url\((\"?)data:[^)]*\)", "", text)
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+|@import", text) == []
    for imported in re.findall(r"(?:from|import)\s*\(?\s*[\"']([^\"']+)[\"']", text):
        assert imported.startswith("./"), imported


def test_the_description_of_the_interface_is_not_sent_to_a_validator() -> None:
    assert "validatorUrl: null" in (WEB / "vendor" / "swagger-ui" / "init.js").read_text("utf-8")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", path) for path in ("/", "/docs", "/openapi.json", "/static/app.js", "/livez", "/readyz", "/metrics",
                                "/v1/index", "/v1/documents", "/v1/documents/x", "/nothing", "/v1/ask")]
    + [("POST", path) for path in ("/v1/ask", "/v1/search", "/v1/feedback", "/v1/index/rollback", "/livez")],
)  # fmt: skip
def test_every_response_has_the_headers(client: TestClient, method: str, path: str) -> None:
    headers = client.request(method, path).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "server" not in headers
    assert len(headers.get_list("x-content-type-options")) == 1


def test_streams_have_the_headers_too(client: TestClient) -> None:
    headers = client.post("/v1/ask", json={"question": "harbour", "stream": True}).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS


# -- the description of the interface ----------------------------------------------------------------------------------


@pytest.fixture
def described(client: TestClient) -> dict[str, Any]:
    body: dict[str, Any] = client.get("/openapi.json").json()
    return body


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_description_lists_every_route(described: dict[str, Any]) -> None:
    listed = {(method, path) for method, path, _ in operations(described)}
    assert listed >= {
        ("POST", "/v1/ask"), ("POST", "/v1/search"), ("GET", "/v1/documents"), ("GET", "/v1/documents/{document_id}"),
        ("GET", "/v1/documents/{document_id}/text"), ("GET", "/v1/passages/{passage_id}"), ("GET", "/v1/index"),
        ("POST", "/v1/index/rebuild"), ("GET", "/v1/index/jobs/{job_id}"), ("POST", "/v1/index/rollback"),
        ("POST", "/v1/feedback"), ("POST", "/v1/chat/completions"), ("GET", "/v1/models"),
        ("GET", "/v1/models/{model}"), ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics"),
        ("GET", "/v1/settings"), ("GET", "/v1/suggestions"),
    }  # fmt: skip
    assert listed == routes()


def test_the_description_holds_together(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert described["info"]["title"] == "Footnote"
    for reference in references(described):
        target: Any = described
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(names)) == len(names)
    for _, path, operation in operations(described):
        parameters = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert parameters == set(re.findall(r"\{(\w+)\}", path))
        assert operation["tags"] and operation["summary"]
        for response in operation["responses"].values():
            assert response["description"]


def test_the_errors_of_every_route_are_described_as_they_are(described: dict[str, Any]) -> None:
    for _, path, operation in operations(described):
        expected = "application/json" if speaks_openai(path) else "application/problem+json"
        assert set(operation["responses"]["default"]["content"]) == {expected}
        assert not {"422", "4XX"} & set(operation["responses"])


def test_the_answer_is_described_field_by_field(described: dict[str, Any]) -> None:
    (content,) = [operation for method, path, operation in operations(described) if path == "/v1/ask"]
    answered = content["responses"]["200"]["content"]
    assert answered["application/json"]["schema"] == {"$ref": "#/components/schemas/Answer"}
    assert "text/event-stream" in answered
    assert "citations" in described["components"]["schemas"]["Answer"]["properties"]


def test_every_route_has_a_line_in_the_documentation(described: dict[str, Any]) -> None:
    path_of_docs = ROOT / "docs" / "http.md"
    assert path_of_docs.is_file(), "docs/http.md describes the HTTP interface and is missing"
    lines = [re.sub(r"\{[^}]*\}", "{}", line) for line in path_of_docs.read_text("utf-8").splitlines()]
    for method, path, _ in operations(described):
        wanted = re.escape(re.sub(r"\{[^}]*\}", "{}", path))
        found = [line for line in lines if method in line and re.search(rf"(?<![\w/]){wanted}(?![\w/{{])", line)]
        assert found, f"no line of docs/http.md is about {method} {path}"
