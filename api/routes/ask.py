"""POST /v1/ask, /v1/search and /v1/feedback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

import anyio
import structlog
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.problems import problem_of, unforeseen
from api.schemas import AskRequest, FeedbackRequest, Received, SearchRequest, SearchResponse
from api.sse import named, to_sse
from api.state import State, state_of
from index.errors import FootnoteError
from index.tokens import count_tokens
from index.types import Hit
from rag.answer import final
from rag.types import Answer, Done, Event, PassagesFound, Question

_log = structlog.get_logger()
router = APIRouter(prefix="/v1", tags=["answers"])
GENERATION_HEADER = "Footnote-Generation"
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Answer,
        "description": "The answer; as server-sent events when asked for.",
        "content": {"text/event-stream": {}},
    }
}


@router.post("/ask", responses=_STREAM, response_class=JSONResponse)
async def ask(request: Request, body: AskRequest, accept: Annotated[str, Header()] = "") -> Response:
    """Answer a question from the indexed documents, every sentence with its footnote; or say that they don't say."""
    state = state_of(request)
    question = body.to_question(state.footnote.settings.passages)
    if body.stream or "text/event-stream" in accept:
        return await _stream(state, question)
    given = await state.gate.run(lambda: _final(state, question))
    return JSONResponse(asdict(given), headers={GENERATION_HEADER: given.generation})


def _final(state: State, question: Question) -> Answer:
    given = final(state.footnote.ask(question))
    state.metrics.answered(given)
    return given


async def _stream(state: State, question: Question) -> Response:
    events = state.footnote.ask(question)
    # The first event is made before the response starts, so that what is wrong from the outset is a plain problem.
    first = await state.gate.run(lambda: next(events))
    assert isinstance(first, PassagesFound)

    async def body() -> AsyncIterator[bytes]:
        try:
            yield to_sse(first)
            async for event in state.gate.iterate(events):
                _count(state, event)
                yield to_sse(event)
        except FootnoteError as error:
            _log.warning("stream_failed", error=type(error).__name__, reason=str(error))
            yield named("error", problem_of(error, "/v1/ask"))
        except Exception as error:  # noqa: BLE001 - the response has begun: only an event can tell the client
            _log.error("stream_failed", error=type(error).__name__, exc_info=error)
            yield named("error", unforeseen("/v1/ask"))
        finally:
            # Also when the client has gone: the generation is let go at once. Nothing else runs the iterator now.
            with anyio.CancelScope(shield=True):
                events.close()  # type: ignore[attr-defined] # a generator

    headers = {GENERATION_HEADER: first.generation, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


def _count(state: State, event: Event) -> None:
    if isinstance(event, Done):
        state.metrics.answered(event.answer)


@router.post("/search")
async def search(request: Request, response: Response, body: SearchRequest) -> SearchResponse:
    """Ranked passages; with ``max_tokens``, as many as fit that budget, each with its count."""
    state = state_of(request)
    k = body.k or (50 if body.max_tokens else state.footnote.settings.passages)
    generation, hits = await state.gate.run(lambda: state.footnote.search(body.query, k, tuple(body.documents)))
    response.headers[GENERATION_HEADER] = generation
    passages = [describe(hit) for hit in hits]
    if body.max_tokens is None:
        return SearchResponse(generation=generation, query=body.query, passages=passages, tokens=None)
    kept, spent = await state.gate.run(lambda: within(passages, body.max_tokens or 0))
    return SearchResponse(generation=generation, query=body.query, passages=kept, tokens=spent)


def within(passages: list[dict[str, Any]], budget: int) -> tuple[list[dict[str, Any]], int]:
    """The longest run of ``passages``, best first, that costs at most ``budget`` o200k_base tokens, and its cost."""
    kept: list[dict[str, Any]] = []
    spent = 0
    for passage in passages:
        cost = count_tokens(passage["text"])
        if spent + cost > budget:
            break
        spent += cost
        kept.append({**passage, "tokens": cost})
    return kept, spent


def describe(hit: Hit) -> dict[str, Any]:
    """A hit as JSON: the passage, its place and its scores."""
    passage = hit.passage
    return {
        "passage_id": passage.passage_id,
        "document_id": passage.document.document_id,
        "source": passage.document.source,
        "title": passage.document.title,
        "start_char": passage.start,
        "end_char": passage.end,
        "text": passage.text,
        **asdict(passage.place),
        "score": round(hit.score, 6),
        "signals": {name: round(value, 6) for name, value in asdict(hit.signals).items()},
    }


@router.post("/feedback")
async def feedback(request: Request, body: FeedbackRequest) -> Received:
    """Remember a verdict on a recent answer, for the evaluation suite."""
    state = state_of(request)
    await anyio.to_thread.run_sync(state.footnote.feedback, body.answer_id, body.verdict, body.comment)
    return Received()
