"""The LLM as Footnote sees it, and a client of any OpenAI-compatible endpoint (POST .../chat/completions, streamed).

Nothing the endpoint does costs more than a bounded time and a bounded number of bytes: a timer shuts the socket at the
deadline, whatever is going on at it. What goes wrong is an LlmError with a code."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import httpx2

from rag.errors import LlmError
from rag.types import Turn

_CONNECT_S = 10.0
_MAX_BYTES = 4 << 20  # of a reply; a token of a stream costs some 200 bytes, so this is more than 16,000 tokens
_MAX_LINE = 256 << 10
_WARMTH = 0.0  # the same question, the same answer, as far as the endpoint lets it
_STREAMED, _WHOLE = "text/event-stream", "application/json"


class LLM(Protocol):
    @property
    def fingerprint(self) -> str:
        """Changes whenever another model or endpoint would be asked."""

    def stream(self, messages: Sequence[Turn], *, max_tokens: int, timeout_s: float) -> Generator[str, None, None]:
        """The reply to ``messages``, piece by piece; ends when it is complete. Raises LlmError, also on the way.
        Closing it ends the request. Safe to call from threads."""


def reply(llm: LLM, messages: Sequence[Turn], *, max_tokens: int, timeout_s: float) -> str:
    """The whole reply. Raises LlmError."""
    return "".join(llm.stream(messages, max_tokens=max_tokens, timeout_s=timeout_s))


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str  # up to and without /chat/completions, such as http://127.0.0.1:11434/v1
    model: str  # "" where the endpoint serves only one
    api_key: str = ""
    idle_s: float = 20.0  # longest silence

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, model={self.model!r})"  # never the key


class ChatLlm:
    """A model behind an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.fingerprint = sha256(f"{endpoint.url} {endpoint.model}".encode()).hexdigest()[:16]
        headers = {"Accept": f"{_STREAMED}, {_WHOLE}", "Accept-Encoding": "identity"}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        # One connection a request, so that the deadline knows its socket. No proxy and no password file of the
        # environment: where questions go is decided by the settings alone. Redirects are not followed, for the same
        # reason.
        self._client = httpx2.Client(
            headers=headers, trust_env=False, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        )

    def close(self) -> None:
        self._client.close()

    def stream(self, messages: Sequence[Turn], *, max_tokens: int, timeout_s: float) -> Generator[str, None, None]:
        if timeout_s <= 0:
            raise LlmError("llm_timeout")
        deadline = _Deadline(timeout_s)
        quiet_s = min(self._endpoint.idle_s, timeout_s)
        with deadline, _told(deadline):
            request = self._client.stream(
                "POST",
                f"{self._endpoint.url.rstrip('/')}/chat/completions",
                json=self._body(messages, max_tokens),
                timeout=httpx2.Timeout(quiet_s, connect=min(_CONNECT_S, timeout_s)),
                extensions={"trace": deadline.trace},
            )
            with request as response:
                _check_status(response.status_code)
                yield from _pieces(response)
        if deadline.passed:
            raise LlmError("llm_timeout")

    def _body(self, messages: Sequence[Turn], max_tokens: int) -> dict[str, Any]:
        model = {"model": self._endpoint.model} if self._endpoint.model else {}
        said = [{"role": turn.role, "content": turn.content} for turn in messages]
        return {**model, "messages": said, "max_tokens": max_tokens, "temperature": _WARMTH, "stream": True}


class _Deadline:
    """Shuts the sockets of one request when its time is up; a read that waits then ends at once."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, _: str, info: dict[str, Any]) -> None:
        """Called by the HTTP client at every step; a step that opens a connection returns its stream."""
        opened = getattr(info.get("return_value"), "get_extra_info", None)
        found = opened("socket") if opened else None
        if found is not None:
            with self._lock:
                self._sockets.append(found)
            if self.passed:
                self._shut()

    def _shut(self) -> None:
        self.passed = True
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):  # closed, or handed over to TLS
                    one.shutdown(socket.SHUT_RDWR)


@contextmanager
def _told(deadline: _Deadline) -> Iterator[None]:
    """Errors of the HTTP client as LlmErrors. What they say is not passed on: it may hold what was sent."""
    try:
        yield
    except LlmError as error:
        if deadline.passed:  # what was shut looks as if it had been cut off
            raise LlmError("llm_timeout") from error
        raise
    except httpx2.HTTPError as error:
        raise LlmError(_code_of(error, deadline.passed)) from error
    except httpx2.StreamError as error:
        raise LlmError("llm_bad_reply") from error


def _code_of(error: httpx2.HTTPError, passed: bool) -> str:
    if passed or isinstance(error, httpx2.TimeoutException):
        return "llm_timeout"
    if isinstance(error, httpx2.ConnectError):
        return "llm_unreachable"
    return "llm_cut_off" if isinstance(error, httpx2.TransportError) else "llm_bad_reply"


def _check_status(status: int) -> None:
    if status == 200:
        return
    code = "llm_error" if status >= 500 else "llm_refused" if status >= 400 else "llm_bad_reply"
    raise LlmError({408: "llm_timeout", 429: "llm_rate_limited"}.get(status, code), f"status {status}")


def _pieces(response: httpx2.Response) -> Generator[str, None, None]:
    """The text in a reply, which is a stream of events or, from endpoints that do not stream, one JSON object."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_STREAMED, _WHOLE) or response.headers.get("content-encoding", "identity") != "identity":
        raise LlmError("llm_bad_reply", "it is neither JSON nor a stream of events")
    read = _bounded(response)
    with closing(read):
        if kind == _WHOLE:
            choice = _choice(_json(b"".join(read)))
            yield _text_of(choice, "message")
            _check_end(choice.get("finish_reason") or "stop")
            return
        ended = ""
        for data in _events(read):
            if data == b"[DONE]":
                ended = ended or "stop"
                break
            event = _json(data)
            if event.get("choices") == [] and "error" not in event:
                continue  # usage, at the end
            choice = _choice(event)
            if text := _text_of(choice, "delta"):
                yield text
            ended = choice.get("finish_reason") or ended
        _check_end(ended)


def _bounded(response: httpx2.Response) -> Generator[bytes, None, None]:
    size = 0
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > _MAX_BYTES:
            raise LlmError("llm_bad_reply", f"it is longer than {_MAX_BYTES} bytes")
        yield chunk


def _events(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The data of each server-sent event. Chat completions have it on one line."""
    for line in _lines(chunks):
        name, _, value = line.partition(b":")
        if name == b"data":
            yield value.removeprefix(b" ")
        elif name not in (b"", b"event", b"id", b"retry"):
            raise LlmError("llm_bad_reply", "it is not a stream of events")


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
        if len(rest) > _MAX_LINE:
            raise LlmError("llm_bad_reply", "a line of it has no end")
    if rest.strip():
        yield rest.rstrip(b"\r")


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LlmError("llm_bad_reply", "it is not JSON in UTF-8") from error
    if not isinstance(found, dict):
        raise LlmError("llm_bad_reply", "it is JSON of another form")
    return found


def _choice(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("error"):
        raise LlmError("llm_error", "it reports an error of its own")
    choices = event.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise LlmError("llm_bad_reply", "it has no choices")
    return choices[0]


def _text_of(choice: dict[str, Any], where: str) -> str:
    """The text of a message or a part of one; "" where it has none, as in the first event and the last."""
    said = choice.get(where)
    text = said.get("content") if isinstance(said, dict) else said
    if text is not None and not isinstance(text, str):
        raise LlmError("llm_bad_reply", "its content is not text")
    return (text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a pair is no text


def _check_end(reason: object) -> None:
    """Raises where the reply ended otherwise than by its author's will."""
    if reason == "length":
        raise LlmError("llm_too_long")
    if reason == "content_filter":
        raise LlmError("llm_filtered")
    if not reason:
        raise LlmError("llm_cut_off")
