"""POST /v1/ask, /v1/search and /v1/feedback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, Any

from anyio import from_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.citation_formats import formatted
from api.endings import to_the_end
from api.schemas import AskRequest, FeedbackRequest, Received, SearchRequest, SearchResponse
from api.sse import named, to_sse
from api.state import State, state_of
from api.streaming import begin, relay
from index.tokens import count_tokens
from index.types import Hit
from rag.answer import final
from rag.types import Answer, Event, Question

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

    def more(given: Answer) -> dict[str, Any]:
        made = formatted(given, body.citation_format, str(request.base_url).rstrip("/"))
        return {"formatted": made} if made else {}

    if body.stream or "text/event-stream" in accept:
        return await _stream(state, question, lambda event: [to_sse(event, more)])
    given = await state.gate.run(lambda: answered(state, question))
    return JSONResponse({**asdict(given), **more(given)}, headers={GENERATION_HEADER: given.generation})


def answered(state: State, question: Question) -> Answer:
    """The whole answer, counted. On a thread of the gate: when its request has been ended, it ends between two events
    and lets its generation go."""
    events = state.footnote.ask(question)
    try:
        given = final(_unless_ended(events))
    finally:
        events.close()  # type: ignore[attr-defined] # a generator
    state.metrics.answered(given)
    return given


def _unless_ended(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        from_thread.check_cancelled()  # raises what ends the request, through here
        yield event


async def _stream(state: State, question: Question, shown: Callable[[Event], list[bytes]]) -> Response:
    first, events = await begin(state, question)
    body = relay(state, first, events, shown=shown, failed=lambda problem: [named("error", problem)], path="/v1/ask")
    return StreamingResponse(body, media_type="text/event-stream", headers=stream_headers(first.generation))


def stream_headers(generation: str) -> dict[str, str]:
    return {GENERATION_HEADER: generation, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.post("/search")
async def search(request: Request, response: Response, body: SearchRequest) -> SearchResponse:
    """Ranked passages; with ``max_tokens``, as many as fit that budget, each with its count."""
    state = state_of(request)
    found = await state.gate.run(lambda: searched(state, body))
    response.headers[GENERATION_HEADER] = found.generation
    return found


def searched(state: State, body: SearchRequest) -> SearchResponse:
    k = body.k or (50 if body.max_tokens else state.footnote.settings.passages)
    generation, hits = state.footnote.search(body.query, k, tuple(body.documents))
    passages = [describe(hit) for hit in hits]
    if body.max_tokens is None:
        return SearchResponse(generation=generation, query=body.query, passages=passages, tokens=None)
    kept, spent = within(passages, body.max_tokens)
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
    await to_the_end(state.footnote.feedback, body.answer_id, body.verdict, body.comment)
    return Received()
