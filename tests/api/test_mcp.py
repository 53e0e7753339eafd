"""The MCP tools, as the SDK's own client sees them, over both transports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from starlette.testclient import TestClient

from api.bounds import MAX_BODY_BYTES
from api.gate import Gate
from api.keys import add_key, keys_file
from api.mcp_server import PROBLEM, make_server
from api.mcp_stdio import McpMissing
from api.mcp_stdio import run as stdio
from api.metrics import Metrics
from api.state import State
from tests.api.conftest import Connect, Live, assert_problem
from tests.api.test_chat import KING, OPENED
from tests.conftest import HARBOUR, World

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured content, which the client has compared with the tool's output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def story(client: Client) -> None:
    """What an agent does: it looks, asks, and reads where the answer stands."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search", "ask", "read_passage"}
    for tool in tools.values():
        assert tool.title and tool.description and tool.output_schema
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.open_world_hint is False
        assert tool.input_schema["additionalProperties"] is False

    found = await call(client, "search", query="harbour opened", k=2)
    assert found["passages"][0]["source"] == "harbour.txt"

    given = await call(client, "ask", question=OPENED)
    (citation,) = given["citations"]
    assert given["text"] == "The harbour was opened in 1911 by Mayor Ilse Brandt."
    assert HARBOUR[citation["start_char"] : citation["end_char"]] == citation["cited_text"]

    read = await call(client, "read_passage", passage_id=citation["passage_id"])
    start = read["start_char"]
    assert read["text"][citation["start_char"] - start : citation["end_char"] - start] == citation["cited_text"]

    abstained = await call(client, "ask", question=KING)
    assert (abstained["abstained"], abstained["citations"]) == (True, [])


def run(act: Callable[[Client], Awaitable[None]], target: Any) -> None:
    async def main() -> None:
        with anyio.fail_after(60):
            async with Client(target) as client:
                await act(client)

    anyio.run(main)


# -- in this process ---------------------------------------------------------------------------------------------------


@pytest.fixture
def state(world: World) -> State:
    return State(world.footnote, Gate(4), Metrics(world.footnote))


def test_the_tools_of_a_server(state: State) -> None:
    run(story, make_server(state))


def test_what_a_model_is_shown_has_the_footnotes_too(state: State) -> None:
    async def act(client: Client) -> None:
        result = await client.call_tool("ask", {"question": OPENED})
        (content,) = result.content
        assert content.type == "text"
        answer, _, note = content.text.split("\n")
        assert answer == "The harbour was opened in 1911 by Mayor Ilse Brandt. [1]"
        assert note.startswith("[1] harbour.txt, characters 0 to 52 (passage ")
        result = await client.call_tool("ask", {"question": KING})
        (content,) = result.content
        assert content.type == "text"
        assert content.text.startswith("The documents don't say. (weak_evidence)\nNearest passages: ")

    run(act, make_server(state))


@pytest.mark.parametrize(
    ("tool", "arguments", "at"),
    [
        ("ask", {}, "question"),
        ("ask", {"question": "x", "k": 51}, "k"),
        ("ask", {"question": "x" * 8001}, "question"),
        ("ask", {"question": "x", "stream": True}, "stream"),
        ("ask", {"question": "x", "messages": [{"role": "user", "content": "x" * 100_001}]}, "messages.0.content"),
        ("search", {"query": ""}, "query"),
        ("search", {"query": "x", "max_tokens": 0}, "max_tokens"),
        ("read_passage", {"passage_id": "x" * 257}, "passage_id"),
    ],
)
def test_arguments_out_of_bounds_are_named(state: State, tool: str, arguments: dict[str, Any], at: str) -> None:
    async def act(client: Client) -> None:
        told = failed(await client.call_tool(tool, arguments))
        assert (told["status"], told["title"]) == (422, "The request is not valid")
        assert told["errors"][0]["at"] == at

    run(act, make_server(state))


def failed(result: CallToolResult) -> dict[str, Any]:
    """The problem that a tool ended with, which its text tells in words."""
    assert result.is_error
    assert result.structured_content is None  # it would have to be what the tool gives
    assert result.meta is not None
    told: dict[str, Any] = result.meta[PROBLEM]
    (content,) = result.content
    assert content.type == "text"
    assert content.text == f"{told['title']}: {told['detail']}"
    return told


@pytest.mark.parametrize(
    ("tool", "arguments", "status"),
    [
        ("ask", {"question": "?!"}, 422),
        ("search", {"query": "x", "documents": ["atlantis.txt"]}, 404),
        ("read_passage", {"passage_id": "x-0-1"}, 404),
    ],
)
def test_what_goes_wrong_has_a_type(state: State, tool: str, arguments: dict[str, Any], status: int) -> None:
    async def act(client: Client) -> None:
        assert failed(await client.call_tool(tool, arguments))["status"] == status

    run(act, make_server(state))


def test_without_an_index_a_tool_says_so(make_world: Callable[..., World], folder: Path) -> None:
    footnote = make_world(folder).footnote

    async def act(client: Client) -> None:
        assert failed(await client.call_tool("ask", {"question": OPENED}))["title"] == "Nothing is indexed yet"

    run(act, make_server(State(footnote, Gate(4), Metrics(footnote))))


def test_what_nobody_foresaw_is_not_told(state: State) -> None:
    def broken() -> None:
        raise ZeroDivisionError("in /srv/footnote")

    async def act(client: Client) -> None:
        told = failed(await client.call_tool("ask", {"question": OPENED}))
        assert told["status"] == 500
        assert "/srv" not in str(told)

    run(act, make_server(state, broken))


def test_when_too_many_wait_a_tool_is_refused(state: State) -> None:
    state.gate = Gate(max_waiting=0)

    async def act(client: Client) -> None:
        assert failed(await client.call_tool("ask", {"question": OPENED}))["status"] == 503

    run(act, make_server(state))


def test_there_is_no_other_tool(state: State) -> None:
    async def act(client: Client) -> None:
        with pytest.raises(MCPError, match="no tool 'rebuild'"):
            await client.call_tool("rebuild", {})

    run(act, make_server(state))


# -- over HTTP ---------------------------------------------------------------------------------------------------------


def test_the_tools_over_http(world: World, live: Live) -> None:
    run(story, f"{live(world.footnote)}/mcp")


def test_answers_to_tools_are_counted_with_all_others(world: World, live: Live) -> None:
    url = live(world.footnote)
    run(story, f"{url}/mcp")
    metrics = httpx2.get(f"{url}/metrics").text
    assert 'footnote_answers_total{generation="000001",mode="extractive",outcome="answered"} 1.0' in metrics
    assert 'footnote_requests_total{route="/mcp",status="200"}' in metrics


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8000", "Origin": "http://localhost:3000"}, 200),
        ({"Host": "rebound.example"}, 421),
        ({"Host": "127.0.0.1.example:8000"}, 421),
        ({"Host": "localhost:8000", "Origin": "http://rebound.example"}, 403),
    ],
)
def test_on_loopback_only_its_own_names_are_answered_to(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    response = client.post("/mcp", json=PING, headers={**HEADERS, **headers})
    assert response.status_code == status, response.text


def test_elsewhere_any_name_is_answered_to(make_world: Callable[..., World], folder: Path, connect: Connect) -> None:
    world = make_world(folder, host="0.0.0.0")
    key = add_key(keys_file(world.data), "ana")
    headers = {**HEADERS, "Host": "footnote.example", "Authorization": f"Bearer {key}"}
    assert connect(world.footnote).post("/mcp", json=PING, headers=headers).status_code == 200


def test_no_stream_is_opened_in_which_nothing_would_be_said(client: TestClient) -> None:
    assert_problem(client.get("/mcp", headers=HEADERS), 405)


def test_a_call_over_a_mebibyte_is_refused(client: TestClient) -> None:
    response = client.post("/mcp", content=b" " * (MAX_BODY_BYTES + 1), headers=HEADERS)
    assert_problem(response, 413)


def test_without_the_extra_there_is_no_such_door(
    world: World, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)  # as where it is not installed
    client = connect(world.footnote)
    assert_problem(client.post("/mcp", json=PING, headers=HEADERS), 404)
    assert client.get("/readyz").status_code == 200
    with pytest.raises(McpMissing, match=r"pip install '\.\[mcp\]'"):
        stdio(world.footnote)


# -- over standard input and output ------------------------------------------------------------------------------------


@asynccontextmanager
async def started(folder: Path, data: Path) -> AsyncIterator[Client]:
    arguments = ["-m", "api.cli", "mcp", "--source", str(folder), "--data", str(data)]
    server = StdioServerParameters(command=sys.executable, args=arguments, cwd=Path(__file__).resolve().parents[2])
    async with Client(stdio_client(server)) as client:
        yield client


@pytest.mark.model
def test_the_tools_over_standard_input_and_output(folder: Path, tmp_path: Path, encoders: Path) -> None:
    """The product itself, on a folder that it has not seen: the first tool answers when the index is there."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "encoders").symlink_to(encoders)

    async def main() -> None:
        with anyio.fail_after(120):
            async with started(folder, tmp_path / "data") as client:
                await story(client)

    anyio.run(main)


@pytest.mark.model
def test_nothing_but_messages_is_written_to_standard_output(folder: Path, tmp_path: Path, encoders: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "encoders").symlink_to(encoders)
    command = [sys.executable, "-m", "api.cli", "mcp", "--source", str(folder), "--data", str(tmp_path / "data")]
    done = subprocess.run(
        command, input=b"", capture_output=True, cwd=Path(__file__).resolve().parents[2], timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
