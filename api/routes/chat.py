"""POST /v1/chat/completions and GET /v1/models: Footnote for programs that know OpenAI's interface."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.chat import MODEL, MODEL_INFO, ChatRequest, Chunks, completion, data
from api.openai_errors import DESCRIBED, error_of
from api.routes.ask import GENERATION_HEADER, answered, stream_headers
from api.state import State, state_of
from api.streaming import begin, relay
from index.errors import NotFound

router = APIRouter(prefix="/v1", tags=["openai"], responses={"default": DESCRIBED})
_PATH = "/v1/chat/completions"


@router.post(
    "/chat/completions",
    response_class=JSONResponse,
    responses={
        200: {"description": "A chat completion; as chunks when asked for.", "content": {"text/event-stream": {}}}
    },
)
async def chat_completions(request: Request, body: ChatRequest) -> Response:
    """Answer the last message of the user, as OpenAI's chat completions do, with annotations and citations."""
    _known(body.model)
    state = state_of(request)
    base = str(request.base_url).rstrip("/")
    if body.stream:
        return await _stream(state, body, base)
    question = body.to_question(state.footnote.settings.passages)

    def work() -> tuple[dict[str, Any], str]:
        given = answered(state, question)
        return completion(given, body.prompt_tokens(), base), given.generation

    made, generation = await state.gate.run(work)
    return JSONResponse(made, headers={GENERATION_HEADER: generation})


async def _stream(state: State, body: ChatRequest, base: str) -> Response:
    first, events = await begin(state, body.to_question(state.footnote.settings.passages))
    try:
        prompt_tokens = await state.gate.run(body.prompt_tokens) if body.with_usage else None
    except BaseException:  # cancelled too: the generation must be let go
        events.close()  # type: ignore[attr-defined] # a generator
        raise
    chunks = Chunks(first.generation, prompt_tokens, base)
    pieces = relay(
        state, first, events, shown=chunks.shown, failed=lambda problem: [data(error_of(problem))], path=_PATH
    )
    return StreamingResponse(pieces, media_type="text/event-stream", headers=stream_headers(first.generation))


@router.get("/models")
async def models() -> dict[str, Any]:
    """The one model that chat completions take."""
    return {"object": "list", "data": [MODEL_INFO]}


@router.get("/models/{model}")
async def model(model: str) -> dict[str, Any]:
    """What OpenAI's interface says of a model."""
    _known(model)
    return MODEL_INFO


def _known(model: str) -> None:
    if model != MODEL:
        raise NotFound(f"There is no model {model!r}.", remedy=f"Name the model {MODEL!r}.")
