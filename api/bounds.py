"""How large a request may be, how deep and how slow: it is read here, whole, before any route sees it."""

from __future__ import annotations

import re
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems

MAX_BODY_BYTES = 1 << 20
MAX_HEAD_BYTES = 16_384  # names and values of the headers, and the target
MAX_JSON_DEPTH = 32  # what is asked for here nests three deep
BODY_S = 15.0  # a body of a mebibyte takes this long at 70 kB/s

# Possessive, and it takes a string without an end as one: it never looks twice at a byte.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Bounded:
    """Refuses what is too large, too deep or too slow, and hands the body on in one piece. Plain ASGI."""

    def __init__(self, app: ASGIApp, body_s: float = BODY_S) -> None:
        self._app = app
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            detail = f"Headers and address are larger than {MAX_HEAD_BYTES} bytes."
            await _refuse(problems.problem(431, "The headers are too large", detail, path), scope, receive, send)
            return
        if not has_body(scope):
            await self._app(scope, receive, send)
            return
        # The server has seen to it that the length is a number.
        refused, body = await self._read(receive, int(dict(scope["headers"]).get(b"content-length", b"0")), path)
        if refused is not None:
            await _refuse(refused, scope, receive, send)
        elif body is not None:
            await self._app(scope, _replayed(body, receive), send)

    async def _read(self, receive: Receive, announced: int, path: str) -> tuple[dict[str, Any] | None, bytes | None]:
        """A problem, or the body; neither when the client has gone."""
        too_large = problems.problem(
            413, "The body is too large", f"The body is larger than {MAX_BODY_BYTES} bytes.", path
        )
        if announced > MAX_BODY_BYTES:
            return too_large, None
        body = bytearray()
        with anyio.move_on_after(self._body_s) as reading:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None, None
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    return too_large, None
                more = message.get("more_body", False)
        if reading.cancelled_caught:
            detail = f"The body had not arrived after {self._body_s:g} s."
            return problems.problem(408, "The body took too long", detail, path), None
        if too_deep(body):
            detail = f"The body is nested deeper than {MAX_JSON_DEPTH} levels."
            return problems.problem(422, "The request is not valid", detail, path), None
        return None, bytes(body)


def has_body(scope: Scope) -> bool:
    """Whether a body is to come, by what the headers announce."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def too_deep(body: bytes | bytearray) -> bool:
    """Whether JSON in ``body`` nests deeper than MAX_JSON_DEPTH. What is no JSON may be either; readers refuse it."""
    if body.count(b"[") + body.count(b"{") <= MAX_JSON_DEPTH:
        return False
    rest = _STRING.sub(b"", body).translate(_ONE_KIND, _BUT_BRACKETS)
    for _ in range(MAX_JSON_DEPTH):
        rest = rest.replace(b"[]", b"")  # the innermost level
    return len(rest) > MAX_JSON_DEPTH or b"[]" in rest


def _head_bytes(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope.get("raw_path") or b"") + len(scope["query_string"])


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, and then whatever comes: that the client has gone, as a rule."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(body: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
    # What is left of the body is not read, so the connection cannot carry another request.
    await problems.response(body, {"Connection": "close"})(scope, receive, send)
