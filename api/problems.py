"""RFC 9457 problems: one row an error; nothing of the machine (paths, versions, stacks) is ever told to a client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.status import HTTP_422_UNPROCESSABLE_CONTENT

from api.keys import KeysError
from api.openai_errors import error_of, speaks_openai, status_of
from api.settings import SettingsError
from eval.errors import SuiteError
from index.errors import (
    BuildFailed,
    Busy,
    CorruptGeneration,
    DiskFailed,
    DiskFull,
    EncoderError,
    FootnoteError,
    IncompatibleIndex,
    NeedsConfirmation,
    NoGeneration,
    NotFound,
    ReadOnly,
    SkipFile,
    SourceError,
)
from rag.errors import BadQuestion, CheckerError, LlmMissing, ReaderError, RerankerError

_log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"


class Overloaded(FootnoteError):
    """More questions are waiting than can be answered in good time."""


@dataclass(frozen=True, slots=True)
class Row:
    """How an error is told over HTTP; ``detail`` replaces a message that would name a path."""

    status: int
    title: str
    detail: str = ""


_NOTHING = "Nothing has been indexed yet. Start a rebuild: POST /v1/index/rebuild."
_UNKNOWN = "The server's log says what."
_OTHER = "The index was made with another encoder, or by another Footnote. Start a rebuild: POST /v1/index/rebuild."
_DAMAGED = "A part of the index does not match its checksum. Start a rebuild."
_WRITING = "Another process is writing to the index. Try again when it has finished."
_FOLDER = "The source folder is missing, unreadable or holds no document."
_FAILED = "The build failed; the index served is unchanged. The server's log says why."
_KEYS = "The file of the keys cannot be read. The server's log says why."
_LLM = "The server has no LLM. Set FOOTNOTE_LLM_URL and FOOTNOTE_LLM_MODEL there, or ask without mode."
_RERANKER = "The reranker cannot be loaded. The server's log says why."

ROWS: dict[type[FootnoteError], Row] = {
    BadQuestion: Row(422, "The question cannot be answered as put"),
    LlmMissing: Row(422, "No LLM is configured", _LLM),
    NoGeneration: Row(503, "Nothing is indexed yet", _NOTHING),
    IncompatibleIndex: Row(503, "The index does not fit the settings", _OTHER),
    CorruptGeneration: Row(503, "The index is damaged", _DAMAGED),
    NotFound: Row(404, "Not found"),
    Busy: Row(409, "The index is being written", _WRITING),
    SourceError: Row(409, "The source folder cannot be indexed", _FOLDER),
    NeedsConfirmation: Row(409, "Deletions need to be confirmed"),
    DiskFull: Row(507, "The disk is full"),
    ReadOnly: Row(503, "The data folder cannot be written to"),
    DiskFailed: Row(500, "The disk fails"),
    EncoderError: Row(503, "The encoder cannot be loaded", "The encoder cannot be loaded. The server's log says why."),
    ReaderError: Row(503, "The reader cannot be loaded", "The reader cannot be loaded. The server's log says why."),
    CheckerError: Row(503, "The checker cannot be loaded", "The checker cannot be loaded. The server's log says why."),
    RerankerError: Row(503, "The reranker cannot be loaded", _RERANKER),
    BuildFailed: Row(500, "The build failed", _FAILED),
    SkipFile: Row(422, "The file cannot be read"),
    SettingsError: Row(500, "A setting is not valid", "A setting is not valid. The server's log says which."),
    SuiteError: Row(422, "The suite cannot be loaded", "The suite cannot be loaded. The server's log says why."),
    KeysError: Row(503, "The keys cannot be read", _KEYS),
    Overloaded: Row(503, "Too many questions are waiting"),
    FootnoteError: Row(500, "Something went wrong", _UNKNOWN),
}


_STRINGS = {name: {"type": "string"} for name in ("type", "title", "detail", "instance")}
DESCRIBED: dict[str, Any] = {
    "description": "A problem, as RFC 9457 has it.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "title": "Problem",
                "type": "object",
                "properties": {**_STRINGS, "status": {"type": "integer"}},
                "required": [*_STRINGS, "status"],
            }
        }
    },
}
"""What the OpenAPI document says of every route's errors."""


def row_of(error: FootnoteError) -> Row:
    return next(ROWS[kind] for kind in type(error).__mro__ if kind in ROWS)


def problem_of(error: FootnoteError, instance: str = "") -> dict[str, Any]:
    """The problem object that stands for ``error``."""
    row = row_of(error)
    return problem(row.status, row.title, row.detail or str(error), instance)


def unforeseen(instance: str) -> dict[str, Any]:
    """The problem object for an error that nobody foresaw: it says no more than that."""
    return problem_of(FootnoteError("unforeseen"), instance)


def problem(status: int, title: str, detail: str, instance: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": instance, **more}


def found_invalid(errors: Sequence[Any]) -> tuple[str, list[dict[str, str]]]:
    """What pydantic found, in words and one by one. The input itself is not repeated: it may be large, or not fit for
    JSON."""
    found = [{"at": ".".join(str(part) for part in item["loc"]), "problem": item["msg"]} for item in errors]
    return "; ".join(f"{item['at']}: {item['problem']}" for item in found[:3]), found


def response(body: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    """The problem as it leaves the server: on OpenAI's routes, as the error that OpenAI's clients read."""
    if speaks_openai(body["instance"]):
        return JSONResponse(error_of(body), status_code=status_of(body), headers=headers)
    return JSONResponse(body, status_code=body["status"], media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI, headers: dict[str, str]) -> None:
    """Have every error leave as a problem. What nobody foresaw is answered outside the application's middleware, so
    that the ``headers`` every response has are set here."""

    async def footnote_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FootnoteError)
        body = problem_of(error, request.url.path)
        if body["status"] >= 500:
            _log.warning("request_failed", path=request.url.path, error=type(error).__name__, reason=str(error))
        return response(body, {"Retry-After": "2"} if body["status"] == 503 else None)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        detail, found = found_invalid(error.errors())
        body = problem(
            HTTP_422_UNPROCESSABLE_CONTENT, "The request is not valid", detail, request.url.path, errors=found
        )
        return response(body)

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        title = HTTPStatus(error.status_code).phrase
        body = problem(error.status_code, title, str(error.detail), request.url.path)
        return response(body, dict(error.headers or {}))

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected_error", path=request.url.path, error=type(error).__name__, exc_info=error)
        return response(unforeseen(request.url.path), headers)

    app.add_exception_handler(FootnoteError, footnote_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, unexpected)
