"""What no request may do: read another file, learn about the machine, or break the server."""

from __future__ import annotations

import ast
import http.client
import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.routes.page import WEB
from tests.api.conftest import Live
from tests.conftest import World

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-0bd1f5"

# -- paths -------------------------------------------------------------------------------------------------------------

_UP = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..\\", "..%5c", "....//", "..;/", "%c0%ae%c0%ae/",
       "..%c0%af", "%uff0e%uff0e/", ".%2e/", "..%00/", "..%0d%0a/", "%2e%2e%5c", "..%252f", "%e2%80%a5/")  # fmt: skip


def climbing(target: Path) -> Iterator[str]:
    """Ways to write a path to ``target`` where an id is expected, ready to stand in a request line."""
    absolute = target.as_posix()
    for up in _UP:
        yield f"{up * 8}{absolute.lstrip('/')}"
        yield f"{up}{target.name}"
        yield f"{up * 2}{target.name}"
    yield from (absolute, quote(absolute, safe=""), f"file://{absolute}", quote(f"file://{absolute}", safe=""))
    yield from (f"//{absolute}", f"C:{absolute}", f"%5c%5clocalhost{absolute}", f"~/{target.name}", "~root", "%00")
    yield from (f"harbour.txt/../../{target.name}", f"{target.name}%00.txt", ".", "..", "%2e", "%2e%2e", "%2f")
    yield from ("CURRENT", "..%2fkeys.json", "..%2fCURRENT", "000001%2fdocuments.db", "%25n%25s", "%7b%7d", "%ff%fe")


def fetched(address: str, path: str) -> tuple[int, str]:
    """Status and body; the request line is sent as it is, without any tidying up."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.putrequest("GET", path, skip_accept_encoding=True)
        connection.endheaders()
        response = connection.getresponse()
        head = str(response.getheaders())
        return response.status, head + response.read().decode("utf-8", "replace")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "route", ["/v1/documents/{}", "/v1/documents/{}/text", "/v1/passages/{}", "/v1/index/jobs/{}", "/static/{}", "/{}"]
)
def test_no_path_leads_out_of_the_index(world: World, live: Live, tmp_path: Path, route: str) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    address = live(world.footnote).removeprefix("http://")
    for form in climbing(canary):
        status, told = fetched(address, route.format(form))
        assert status in (200, 307, 400, 404, 405), (form, status)  # 307: to the same address without its last slash
        if status == 200:  # the path has led back to what is anyone's
            assert "Footnote" in told or '"status"' in told, form
        # A problem repeats the address that was asked for, and nothing else may name a path.
        told = re.sub(r'"(?:instance|detail)":"[^"]*"', "", told)
        for secret in (CANARY, str(tmp_path), "Traceback", "site-packages", "SQLite format"):
            assert secret not in told, (form, secret)


def test_no_name_in_a_body_leads_out_of_the_index(client: TestClient, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    for form in climbing(canary):
        for method, body in (
            ("/v1/ask", {"question": CANARY, "documents": [form]}),
            ("/v1/ask", {"question": CANARY, "without": [form]}),
            ("/v1/search", {"query": CANARY, "documents": [form]}),
            ("/v1/index/rollback", {"generation": form}),
            ("/v1/feedback", {"answer_id": form, "verdict": "up"}),
        ):
            response = client.post(method, json=body)
            assert response.status_code in (200, 404, 422), (method, form, response.text)
            if response.status_code == 200:
                assert CANARY not in str(response.json()["passages"])


# -- questions ---------------------------------------------------------------------------------------------------------

syntax = st.text(st.sampled_from('"*():^~+-!&|AND OR NOT NEAR/\\\0\u202e\u2066\ufeff\u2028🚢é%_[]{}<>'), max_size=60)
anything = st.text(st.characters(), max_size=300) | st.text(st.characters(categories=["Cs", "Cc", "Cf"]), max_size=60)


@given(syntax | anything)
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_question_breaks_the_server(client: TestClient, question: str) -> None:
    for path, body in (("/v1/ask", {"question": question}), ("/v1/search", {"query": question})):
        # Escaped, so that half a surrogate pair can be sent at all.
        response = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert response.status_code in (200, 422), (response.status_code, question)


@pytest.mark.parametrize("question", ["x" * 100_000, "🚢" * 25_000, "\0" * 100_000, "( " * 50_000, "\u202e" * 8001])
def test_a_question_of_100_kilobytes_is_refused(client: TestClient, question: str) -> None:
    for path, body in (("/v1/ask", {"question": question}), ("/v1/search", {"query": question})):
        assert client.post(path, json=body).status_code == 422


# -- the machine -------------------------------------------------------------------------------------------------------


def test_what_a_command_leaves_is_its_owner_s_alone(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    script = (
        "import sys; from api import cli; from api.compose import Footnote; from tests.fakes import FakeEncoder\n"
        f"sys.argv = ['footnote', 'keys', 'add', 'ana', '--data', {str(data)!r}]\n"
        "import contextlib\n"
        "with contextlib.suppress(SystemExit): cli.main()\n"
        "from api.settings import Settings; from pathlib import Path\n"
        f"settings = Settings(source=Path({str(folder)!r}), data=Path({str(data)!r}), encoder='fake', reader=False)\n"
        "footnote = Footnote(settings, encoder=FakeEncoder, in_child=False); footnote.rebuild(lambda *_: None)\n"
        "with footnote.library.pin(): pass\n"
        "footnote.close()\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, umask=0o022, stdout=subprocess.DEVNULL)
    found = [data, *data.rglob("*")]
    assert {"CURRENT", "keys.json", "documents.db", "vectors.faiss"} <= {path.name for path in found}
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_no_response_lets_another_site_read_it_or_says_what_serves_it(world: World, live: Live, method: str) -> None:
    """Asked as a browser asks for another site's page, before (OPTIONS) and with a request, over a real connection."""
    address = live(world.footnote).removeprefix("http://")
    asked = {
        "Origin": "https://example.org",
        "Content-Type": "application/json",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
        "Access-Control-Request-Private-Network": "true",
    }
    for path in ("/", "/docs", "/openapi.json", "/static/app.js", "/livez", "/v1/ask", "/v1/index", "/metrics", "/no"):
        connection = http.client.HTTPConnection(address, timeout=20)
        try:
            connection.request(method, path, b"{}" if method == "POST" else None, asked)
            response = connection.getresponse()
            names = {name.lower() for name, _ in response.getheaders()}
        finally:
            connection.close()
        assert not {name for name in names if name.startswith("access-control-")}, (method, path)
        assert not names & {"server", "x-powered-by", "via"}, (method, path)


# -- the code ----------------------------------------------------------------------------------------------------------


def test_the_page_makes_no_markup_from_strings() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\(\s*[\"'`]"
        r"|srcdoc|DOMParser|createContextualFragment|javascript:"
    )
    for path in sorted(WEB.rglob("*")):
        if path.is_file() and "vendor" not in path.relative_to(WEB).parts:
            found = forbidden.search(path.read_text("utf-8"))
            assert found is None, f"{path.name} says {found.group()}"


def test_nothing_is_read_that_could_run() -> None:
    """No module unpickles, evaluates, or lets a model bring code of its own."""
    for package in ("index", "rag", "eval", "api", "tools"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                where = f"{path.relative_to(ROOT)}: {ast.unparse(node)[:80] if isinstance(node, ast.expr) else node}"
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = {alias.name.split(".")[0] for alias in node.names} | {getattr(node, "module", None)}
                    assert not names & {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib", "yaml"}, where
                elif isinstance(node, ast.Call):
                    called = ast.unparse(node.func)
                    assert called not in {
                        "eval",
                        "exec",
                        "__import__",
                        "torch.load",
                        "np.load",
                        "os.system",
                        "os.popen",
                    }, where
                    for keyword in node.keywords:
                        assert not (keyword.arg == "trust_remote_code" and ast.unparse(keyword.value) != "False"), where
                        assert not (keyword.arg == "shell" and ast.unparse(keyword.value) != "False"), where
