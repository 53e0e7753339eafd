"""The HTTP application: routes, problems, headers, metrics and the life of the server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.compose import Footnote
from api.gate import Gate
from api.metrics import Metrics
from api.routes import ask, documents, health, index, page
from api.state import State
from api.watch import Watcher
from index.errors import FootnoteError
from rag.write import warm as warm_writer

_log = structlog.get_logger()
MAX_BODY_BYTES = 1 << 20
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]


def create_app(footnote: Footnote) -> FastAPI:
    """The ASGI application around ``footnote``, which it closes when it stops."""
    settings = footnote.settings
    gate = Gate(settings.max_waiting, idle=settings.llm_at_once if settings.llm_url else 0)
    state = State(footnote, gate, Metrics(footnote))

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        watcher = None
        await anyio.to_thread.run_sync(_warm, footnote)
        if footnote.settings.watch:
            watcher = Watcher(footnote.settings.source, footnote.settings.data, lambda: _rebuild(footnote))
            watcher.start()
        try:
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
    for module in (ask, documents, index, health, page):
        app.include_router(module.router)
    page.mount_static(app)
    app.add_middleware(_Bounded)
    app.add_middleware(_Observed, state=state)
    return app


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


class _Bounded:
    """Refuses bodies that are too large, whether they say so or not, as the route reads them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        size = 0

        async def bounded() -> Message:
            nonlocal size
            if int(announced) > MAX_BODY_BYTES:  # the server has seen to it that it is a number
                raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
            return message

        await self._app(scope, bounded, send)


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
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
