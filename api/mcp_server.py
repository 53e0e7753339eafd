"""The only door to the MCP SDK: the tools search, ask and read_passage, over stdio and over streamable HTTP.

The SDK is an extra (``mcp`` in pyproject.toml); nothing else imports this module before it is known to be there.
Each tool takes what the HTTP route of its like takes, with the same bounds, and gives what it gives as structured
content; the text beside it is for models that are shown nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import anyio
import mcp_types
import structlog
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.problems import found_invalid, problem, problem_of, unforeseen
from api.routes.ask import answered, searched
from api.routes.documents import read_passage
from api.schemas import Asked, Request, SearchRequest, SearchResponse, Text
from api.state import State
from index.errors import FootnoteError
from rag.types import Answer

_log = structlog.get_logger()
PATH = "/mcp"
PROBLEM = "footnote/problem"  # in _meta of a result; MCP wants a prefix for names of one's own
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_INSTRUCTIONS = (
    "Answers from the documents that this Footnote indexes, each sentence cited and checked. Ask a whole "
    "question with ask; look for passages with search; read one of them with read_passage. When abstained is true, "
    "the documents don't say."
)
_READ_ONLY = mcp_types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


class ReadPassage(Request):
    passage_id: Text = Field(max_length=256, description="as search and ask name it")


class PassageRead(BaseModel):
    """As GET /v1/passages/{passage_id} gives it."""

    generation: str
    passage_id: str
    document_id: str
    source: str
    title: str
    start_char: int
    end_char: int
    text: str
    n_tokens: int
    heading_path: list[str]
    page: int | None
    slide: int | None
    sheet: str | None
    row: int | None
    chapter: str | None
    sentences: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Tool:
    title: str
    description: str
    takes: type[BaseModel]
    gives: TypeAdapter[Any]
    work: Callable[[State, Any], Any]
    told: Callable[[Any], str]  # what ``work`` gave, as text

    def described(self, name: str) -> mcp_types.Tool:
        return mcp_types.Tool(
            name=name,
            title=self.title,
            description=self.description,
            input_schema=self.takes.model_json_schema(),
            output_schema=self.gives.json_schema(mode="serialization"),
            annotations=_READ_ONLY,
        )


def _told_answer(answer: Answer) -> str:
    """The answer with the numbers of its footnotes, and the footnotes below it."""
    if answer.abstained:
        nearest = ", ".join(passage.passage_id for passage in answer.passages[:3])
        return f"{answer.text} ({answer.reason})" + (f"\nNearest passages: {nearest}" if nearest else "")
    marked = [f"{one.text} " + "".join(f"[{n}]" for n in one.citations) for one in answer.sentences]
    notes = [
        f"[{one.n}] {one.source}, characters {one.start_char} to {one.end_char} (passage {one.passage_id})"
        for one in answer.citations
    ]
    return "\n".join((" ".join(marked), "", *notes))


def _told_passages(found: SearchResponse) -> str:
    return "\n\n".join(f"{one['passage_id']} ({one['source']})\n{one['text']}" for one in found.passages)


_TOOLS: dict[str, _Tool] = {
    "search": _Tool(
        title="Search the documents",
        description="Passages of the documents that fit a query best, ranked, with their sources and offsets.",
        takes=SearchRequest,
        gives=TypeAdapter(SearchResponse),
        work=searched,
        told=_told_passages,
    ),
    "ask": _Tool(
        title="Ask the documents",
        description="An answer in sentences of the documents, each cited to the character; or that they don't say.",
        takes=Asked,
        gives=TypeAdapter(Answer),
        work=lambda state, asked: answered(
            state, replace(asked.to_question(state.footnote.settings.passages), plain=True)
        ),
        told=_told_answer,
    ),
    "read_passage": _Tool(
        title="Read a passage",
        description="One passage by its id, with its place in the document and its sentences.",
        takes=ReadPassage,
        gives=TypeAdapter(PassageRead),
        work=lambda state, wanted: PassageRead(**read_passage(state, wanted.passage_id)),
        told=lambda passage: f"{passage.source}\n{passage.text}",
    ),
}


def make_server(state: State, before: Callable[[], None] = lambda: None) -> Server[Any]:
    """The tools around ``state``. ``before`` is called on a thread ahead of each tool's work."""

    async def list_tools(_: Any, __: Any) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(tools=[tool.described(name) for name, tool in _TOOLS.items()])

    async def call_tool(_: Any, params: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        tool = _TOOLS.get(params.name)
        if tool is None:
            raise MCPError(mcp_types.INVALID_PARAMS, f"There is no tool {params.name!r}.")
        try:
            taken = tool.takes.model_validate(params.arguments or {})
            await anyio.to_thread.run_sync(before)
            given = await state.gate.run(lambda: tool.work(state, taken))
        except ValidationError as error:
            detail, found = found_invalid(error.errors())
            return _failed(problem(422, "The request is not valid", detail, PATH, errors=found))
        except FootnoteError as error:
            _log.warning("tool_failed", tool=params.name, error=type(error).__name__, reason=str(error))
            return _failed(problem_of(error, PATH))
        except Exception as error:  # noqa: BLE001 - the SDK would tell the client the exception's own words
            _log.error("tool_failed", tool=params.name, error=type(error).__name__, exc_info=error)
            return _failed(unforeseen(PATH))
        return mcp_types.CallToolResult(
            content=[mcp_types.TextContent(type="text", text=tool.told(given))],
            structured_content=tool.gives.dump_python(given, mode="json"),
        )

    return Server("footnote", version="1", instructions=_INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)


def _failed(told: dict[str, Any]) -> mcp_types.CallToolResult:
    """An error that a model can tell by its words, and a program by the problem beside it. Not as structured content:
    clients compare that with the tool's output schema, some of them on errors too."""
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=f"{told['title']}: {told['detail']}")],
        is_error=True,
        _meta={PROBLEM: told},
    )


def make_http(state: State) -> tuple[Route, StreamableHTTPSessionManager]:
    """The route, and what must run as long as it is served. Each request stands alone: no session is kept."""
    manager = StreamableHTTPSessionManager(
        make_server(state),
        json_response=True,
        stateless=True,
        security_settings=_security(state.footnote.settings.host),
    )
    # POST alone: what a GET would open is a stream in which, without sessions, nothing is ever said.
    return _Counted(PATH, endpoint=StreamableHTTPASGIApp(manager), methods=["POST"], include_in_schema=False), manager


class _Counted(Route):
    """Tells the application which route was taken, as its own routes do, so that it can count by it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        await super().handle(scope, receive, send)


def _security(host: str) -> TransportSecuritySettings:
    """On loopback only loopback's names are answered to, so that a web page whose name was pointed at this machine
    (DNS rebinding) gets nothing. Elsewhere the names that a server has are not known to it."""
    if f"[{host}]" not in _LOOPBACK and host not in _LOOPBACK:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [*_LOOPBACK, *(f"{name}:*" for name in _LOOPBACK)]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{name}" for name in hosts])


async def run_stdio(state: State, begun: Callable[[], None], before: Callable[[], None]) -> None:
    """Serve one client on standard input and output until it closes them. ``begun`` is called when standard output is
    the client's alone: what else is printed goes to standard error from then on. ``before`` is as for make_server."""
    server = make_server(state, before)
    async with stdio_server() as (read, write):
        await anyio.to_thread.run_sync(begun)
        await server.run(read, write, server.create_initialization_options())
