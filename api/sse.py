"""Events as server-sent events; each carries one line of JSON, so no text of a document can break the framing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi.sse import format_sse_event

from rag.types import Answer, Event, PassagesFound, SentenceReady


def _nothing_more(_: Answer) -> dict[str, Any]:
    return {}


def to_sse(event: Event, more: Callable[[Answer], dict[str, Any]] = _nothing_more) -> bytes:
    """The event as it goes out; ``more`` are fields beside those of the answer."""
    if isinstance(event, PassagesFound):
        return named("passages", asdict(event))
    if isinstance(event, SentenceReady):
        return named("sentence", asdict(event))
    return named("done", {**asdict(event.answer), **more(event.answer)})


def named(name: str, body: dict[str, Any]) -> bytes:
    # ASCII only: U+2028 and its like are line ends to some clients.
    return format_sse_event(event=name, data_str=json.dumps(body, ensure_ascii=True))
