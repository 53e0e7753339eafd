"""How a request ends that does not end by itself: at its deadline, because the server stops, or because its client has
gone.

A client that is there is told. A stream that has begun ends with an ``error`` event, anything else with a problem. What
writes is not left off because its client has gone: see ``to_the_end``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.bounds import has_body
from api.chat import data
from api.guard import is_open
from api.openai_errors import error_of, speaks_openai
from api.sse import named
from api.state import State

T = TypeVar("T")

_log = structlog.get_logger()
_TELL_S = 1.0  # a client that does not read is not told
CLIENT_GONE = 499  # nobody receives it: it is for the log and the counters, where nginx made it usual


class Endings:
    """Ends requests at ``timeout_s``, when ``end_all`` is called and when nobody waits for them any more, and takes
    none while the server stops. What computes on a thread is cancelled between two events of an answer."""

    def __init__(self, app: ASGIApp, state: State, timeout_s: float) -> None:
        self._app = app
        self._state = state
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
        elif self._state.stopping:
            headers = {"Retry-After": "2", "Connection": "close"}
            await problems.response(_stopping(scope["path"]), headers)(scope, receive, send)
        else:
            await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = _Reply(send)
        body = _Body(receive, empty=not has_body(scope))
        woken = anyio.Event()
        failed: Exception | None = None
        done = gone = False

        async def work() -> None:
            nonlocal failed, done
            try:
                await self._app(scope, body.receive, reply.send)
            except Exception as error:  # noqa: BLE001 - raised again outside the group, which would wrap it
                failed = error
            finally:
                done = True
                woken.set()

        async def watch() -> None:
            nonlocal gone
            await body.until_gone()
            if not reply.complete:  # when it is, that was the end of the request
                gone = True
                woken.set()

        self._state.answering.add(woken)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                tasks.start_soon(watch)
                with anyio.move_on_after(self._timeout_s):
                    await woken.wait()
                if gone and not done:
                    await reply.end_unread(scope, receive)
                elif not done:
                    late = _late(self._timeout_s, scope["path"])
                    with anyio.move_on_after(_TELL_S):
                        await reply.end(_stopping(scope["path"]) if self._state.stopping else late, scope, receive)
                tasks.cancel_scope.cancel()  # a thread that computes is waited for; nobody else is kept
        finally:
            self._state.answering.discard(woken)
        if failed is not None:
            if not reply.ended:
                raise failed
            _log.warning("failed_after_its_end", error=type(failed).__name__, reason=str(failed))


def end_all(state: State) -> None:
    """End every request that is still being answered."""
    for woken in list(state.answering):
        woken.set()


async def to_the_end(work: Callable[..., T], *arguments: object) -> T:
    """``work`` on a thread, also where the request is ended before it has got one: who sends something to be kept need
    not wait to hear that it was."""
    result: T
    with anyio.CancelScope(shield=True):  # which mypy takes for one that may swallow what is raised
        result = await anyio.to_thread.run_sync(work, *arguments)
    return result


class _Body:
    """Passes on what is received of a request, and can wait for what comes after it: that the client has gone."""

    def __init__(self, receive: Receive, *, empty: bool) -> None:
        self._receive = receive
        self._whole = anyio.Event()
        self._owed = empty  # nobody reads a body that is empty, so it is not waited for, and given to who asks
        if empty:
            self._whole.set()

    async def receive(self) -> Message:
        if self._owed:
            self._owed = False
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        if not message.get("more_body", False):
            self._whole.set()
        return message

    async def until_gone(self) -> None:
        """Returns when the client has gone, or has its response. While the body is being read, its reader is told."""
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _Reply:
    """What has been sent of a response; once it has been ended, what comes after is dropped."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False
        self._stream = False
        self.ended = False
        self.complete = False

    async def send(self, message: Message) -> None:
        if self.ended:
            return
        if message["type"] == "http.response.start":
            self._started = True
            kind = dict(message["headers"]).get(b"content-type", b"")
            self._stream = kind.startswith(b"text/event-stream")
        elif not message.get("more_body", False):
            self.complete = True  # before it is sent: the server may tell of the end at once
        await self._send(message)

    async def end(self, body: dict[str, Any], scope: Scope, receive: Receive) -> None:
        self.ended = True
        if not self._started:
            await problems.response(body, {"Retry-After": "2"})(scope, receive, self._send)
        elif self._stream:
            event = data(error_of(body)) if speaks_openai(body["instance"]) else named("error", body)
            await self._send({"type": "http.response.body", "body": event, "more_body": False})
        # Anything else breaks off, and the server closes the connection: half a document must not look whole.

    async def end_unread(self, scope: Scope, receive: Receive) -> None:
        """The client has gone: what is counted and logged is that, and not an answer or a failure of the server."""
        self.ended = True
        if not self._started:
            await Response(status_code=CLIENT_GONE)(scope, receive, self._send)


def _late(timeout_s: float, path: str) -> dict[str, Any]:
    return problems.problem(503, "The request took too long", f"It was ended after {timeout_s:g} s.", path)


def _stopping(path: str) -> dict[str, Any]:
    return problems.problem(503, "The server is stopping", "Ask again when it has started anew.", path)
