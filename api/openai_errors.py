"""Problems as OpenAI's error objects, on the routes that are OpenAI's: its clients read no others."""

from __future__ import annotations

import re
from typing import Any

_ROUTES = ("/v1/chat/completions", "/v1/models")
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {
    (401, ""): "invalid_api_key",
    (404, "Not found"): "model_not_found",  # nothing else is looked up on these routes
    (429, ""): "rate_limit_exceeded",
}
_TEXT_OR_NULL = {"type": ["string", "null"]}

DESCRIBED: dict[str, Any] = {
    "description": "An error, as OpenAI has it.",
    "content": {
        "application/json": {
            "schema": {
                "title": "OpenAIError",
                "type": "object",
                "properties": {
                    "error": {
                        "type": "object",
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": _TEXT_OR_NULL,
                            "code": _TEXT_OR_NULL,
                        },
                        "required": ["message", "type", "param", "code"],
                    }
                },
                "required": ["error"],
            }
        }
    },
}
"""What the OpenAPI document says of these routes' errors, in place of problems.DESCRIBED."""


def speaks_openai(path: str) -> bool:
    """Whether ``path`` is one of OpenAI's routes, or would be below one."""
    return any(path == route or path.startswith(f"{route}/") for route in _ROUTES)


def status_of(problem: dict[str, Any]) -> int:
    """OpenAI knows an invalid request by 400, and its clients raise their errors by the status."""
    status: int = problem["status"]
    return 400 if status == 422 else status


def error_of(problem: dict[str, Any]) -> dict[str, Any]:
    """``{"error": {message, type, param, code}}`` with what ``problem`` tells: its detail, the field, its kind."""
    status, title = problem["status"], problem["title"]
    found = [(_param(one["at"]), one["problem"]) for one in problem.get("errors", ())]
    code = _CODES.get((status, "")) or _CODES.get((status, title)) or re.sub(r"\W+", "_", title).lower()
    return {
        "error": {
            "message": "; ".join(f"{name}: {what}" for name, what in found[:3]) or problem["detail"] or title,
            "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": found[0][0] or None if found else "model" if code == "model_not_found" else None,
            "code": code,
        }
    }


def _param(at: str) -> str:
    """The place in the body as OpenAI writes it: messages[0].content. Empty for the body itself."""
    return re.sub(r"\.(\d+)", r"[\1]", at.removeprefix("body").removeprefix("."))
