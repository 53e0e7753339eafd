"""The HTTP application: routes, problems, headers, metrics and the life of the server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.bounds import BODY_S, Bounded
from api.compose import Footnote
from api.endings import Endings
from api.gate import Gate
from api.guard import KEY_NAME, Guard
from api.metrics import Metrics
from api.routes import ask, chat, documents, health, index, page, settings
from api.state import State
from api.watch import Watcher
from index.errors import FootnoteError
from rag.write import warm as warm_writer

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

_log = structlog.get_logger()
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]


def create_app(footnote: Footnote, body_s: float = BODY_S) -> FastAPI:
    """The ASGI application around ``footnote``, which it closes when it stops. ``body_s`` is for tests: how long a
    body may take to arrive."""
    chosen = footnote.settings
    gate = Gate(chosen.max_waiting, idle=chosen.llm_at_once if chosen.llm_url else 0)
    state = State(footnote, gate, Metrics(footnote))

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        watcher = None
        served = manager.run() if manager else nullcontext()
        await anyio.to_thread.run_sync(_warm, footnote)
        if chosen.watch:
            watcher = Watcher(chosen.source, chosen.data, lambda: _rebuild(footnote))
            watcher.start()
        try:
            async with served:
                yield
        finally:
            state.stopping = True
            if watcher is not None:
                watcher.stop()
            footnote.close()

    app = FastAPI(
        title="Footnote",
        summary="Answers over a folder of documents; every sentence carries a footnote.",
        version="1",
        lifespan=life,
        docs_url=None,  # ours is served from files of the package
        redoc_url=None,
        responses={"default": problems.DESCRIBED},
    )
    app.state.footnote = state
    problems.install(app, _HEADERS)
    for module in (ask, chat, documents, index, settings, health, page):
        app.include_router(module.router)
    page.mount_static(app)
    manager = _add_mcp(app, state)
    app.add_middleware(Bounded, body_s=body_s)  # the last added is the first to see a request
    app.add_middleware(Endings, state=state, timeout_s=chosen.request_timeout_s)
    app.add_middleware(Guard, settings=chosen)
    app.add_middleware(_Observed, state=state)
    return app


def _add_mcp(app: FastAPI, state: State) -> StreamableHTTPSessionManager | None:
    """Serve /mcp where the extra is installed; what is returned runs as long as the application does."""
    if find_spec("mcp") is None:
        return None
    from api.mcp_server import make_http  # late: the SDK takes as long to load as all else together

    route, manager = make_http(state)
    app.router.routes.append(route)
    return manager


def _warm(footnote: Footnote) -> None:
    """Load model and index before the first question; without an index the server still starts, not ready."""
    try:
        with footnote.library.pin():
            footnote.encoder.encode_query("warm")
            _ = footnote.reader, footnote.reranker
            if footnote.writer is not None:
                warm_writer()
    except FootnoteError as error:
        _log.warning("not_ready", reason=str(error))


def _rebuild(footnote: Footnote) -> None:
    """Start a rebuild; when one runs already it may have missed the newest change, so another follows it."""
    if footnote.jobs.running() is not None:
        footnote.jobs.wait()
    footnote.jobs.start()


class _Observed:
    """Adds the headers every response has, and counts and logs each request. Plain ASGI: streams pass unbuffered."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(item for item in _RAW_HEADERS if item[0] not in present)]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other")  # the pattern, never the value: unbounded labels fill the memory
            self._state.metrics.requests.labels(path, str(status)).inc()
            _log.info(
                "request",
                method=scope["method"],
                route=path,
                status=status,
                key=scope.get(KEY_NAME, ""),  # its name
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
