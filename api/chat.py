"""OpenAI's chat completions: what comes in, checked; and an Answer as a completion or as its chunks. Pure.

The conversation that a client sends is a question and what was asked before it. What only steers a language model
(temperature, seeds, tools it may call) has nothing to act on and is passed over, as OpenAI passes over what a model
does not use; what would make the reply something else than one cited answer is refused. docs/http.md lists both."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.citation_formats import url_citations
from api.schemas import MAX_MESSAGE_CHARS, MAX_MESSAGES, Narrowed, Text, Whole, printable
from index.tokens import count_tokens
from rag.types import Answer, Done, Event, Question, SentenceReady, Turn

MODEL = "footnote"
MODEL_INFO = {"id": MODEL, "object": "model", "created": 0, "owned_by": "footnote"}
_MAX_SENT = 1_000  # messages; a chat sends all of itself with each question, and only the latest are read


def _text_of(content: object) -> object:
    """A message's text: a string, or its parts of text a line each. None, as beside tool calls, is no text."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return printable(content)
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get(kind) if kind in ("text", "refusal") else None
        if not isinstance(text, str):
            raise PydanticCustomError("text_only", "Footnote reads text; leave out parts that are not of type text")
        texts.append(text)
    return printable("\n".join(texts))


def _refusing(what: str, allowed: Callable[[Any], bool]) -> AfterValidator:
    def check(value: Any) -> Any:
        if not allowed(value):
            raise PydanticCustomError("not_done_here", "Footnote gives {what}", {"what": what})
        return value

    return AfterValidator(check)


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and value.get("type") == "text")


_One = Annotated[Whole | None, _refusing("one choice; leave n out or set it to 1", lambda n: n in (None, 1))]
_NoCall = Annotated[
    Any, _refusing("answers and calls no tools; only none and auto can be kept", lambda v: v in (None, "none", "auto"))
]
_TextOnly = Annotated[Any, _refusing("text; leave response_format out or set its type to text", _is_text)]
_NoSound = Annotated[Any, _refusing("text; leave modalities out or set it to [text]", lambda v: v in (None, ["text"]))]


class _Lenient(BaseModel):
    """Unknown fields are passed over, as OpenAI's clients expect: they send what they know."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ChatMessage(_Lenient):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, BeforeValidator(_text_of), Field(max_length=MAX_MESSAGE_CHARS)] = ""


class StreamOptions(_Lenient):
    include_usage: bool | None = Field(None, description="a last chunk with the usage")


class ChatRequest(_Lenient):
    model: Text = Field(max_length=256, examples=[MODEL])
    messages: list[ChatMessage] = Field(min_length=1, max_length=_MAX_SENT, description="the last of the user asks")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: _One = None
    tool_choice: _NoCall = None
    function_call: _NoCall = None
    response_format: _TextOnly = None
    modalities: _NoSound = None
    footnote: Narrowed | None = Field(None, description="k, documents, without, sentences: as for /v1/ask")

    @property
    def with_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def to_question(self, default_k: int) -> Question:
        """The user's last message, and those before it. What a system or a tool says is never an instruction here,
        and no evidence either: it is left out. Without a user's message the question is empty."""
        asked = max((n for n, message in enumerate(self.messages) if message.role == "user"), default=-1)
        before = tuple(
            Turn(message.role, message.content)
            for message in self.messages[: max(asked, 0)]
            if message.role == "user" or message.role == "assistant"
        )
        text = self.messages[asked].content if asked >= 0 else ""
        question = (self.footnote or Narrowed()).question_of(text, before[-MAX_MESSAGES:], default_k)
        return replace(question, plain=True)  # a chat shows the text, and nothing of what was said of its sentences

    def prompt_tokens(self) -> int:
        """o200k_base tokens of all that the messages say; 40 ms a hundred thousand characters at worst."""
        return sum(count_tokens(message.content) for message in self.messages)


def usage(prompt_tokens: int, answer: Answer) -> dict[str, int]:
    completion = count_tokens(answer.text)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
    }


def evidence(answer: Answer) -> dict[str, Any]:
    """What stands beside the choices: the citations as Footnote has them, and what it says of the answer itself."""
    return {
        "citations": [asdict(one) for one in answer.citations],
        "footnote": {
            "answer_id": answer.answer_id,
            "generation": answer.generation,
            "mode": answer.mode,
            "fallback": answer.fallback,
            "abstained": answer.abstained,
            "reason": answer.reason,
            "confidence": answer.confidence,
            "min_confidence": answer.min_confidence,
            "standalone_question": answer.standalone_question,
        },
    }


def completion(answer: Answer, prompt_tokens: int, base: str) -> dict[str, Any]:
    """The whole reply; ``base`` goes before the addresses of its annotations."""
    message = {
        "role": "assistant",
        "content": answer.text,
        "refusal": None,
        "annotations": url_citations(answer, base),
    }
    return {
        **_head("chat.completion", answer.generation),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage(prompt_tokens, answer),
        **evidence(answer),
    }


def _head(kind: str, generation: str) -> dict[str, Any]:
    # A new id each time: clients that keep messages by id would take a question asked again for the same message.
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": MODEL,
        "system_fingerprint": f"generation-{generation}",
    }


class Chunks:
    """Turns the events of one answer into the chunks of one completion, in OpenAI's order.

    The first names the role; then one a sentence; the last delta carries annotations, citations and what Footnote says
    of the answer. The contents add up to the answer's text."""

    def __init__(self, generation: str, prompt_tokens: int | None, base: str) -> None:
        """``prompt_tokens`` None: no usage was asked for."""
        self._head = _head("chat.completion.chunk", generation)
        self._prompt_tokens = prompt_tokens
        self._base = base
        self._sent = 0  # characters of the answer's text

    def shown(self, event: Event) -> Iterable[bytes]:
        if isinstance(event, SentenceReady):
            space = " " * (event.sentence.start - self._sent)
            self._sent = event.sentence.end
            yield self._chunk({"content": space + event.sentence.text})
        elif isinstance(event, Done):
            yield from self._last(event.answer)
        else:
            yield self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _last(self, answer: Answer) -> Iterable[bytes]:
        if rest := answer.text[self._sent :]:  # all of it, when it abstains
            yield self._chunk({"content": rest})
        yield self._chunk({"annotations": url_citations(answer, self._base)}, "stop", **evidence(answer))
        if self._prompt_tokens is not None:
            yield data({**self._head, "choices": [], "usage": usage(self._prompt_tokens, answer)})
        yield DONE

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        none_yet = {} if self._prompt_tokens is None else {"usage": None}
        return data({**self._head, "choices": [choice], **none_yet, **more})


def data(body: dict[str, Any]) -> bytes:
    """One server-sent event without a name. ASCII only: U+2028 and its like are line ends to some clients."""
    return f"data: {json.dumps(body, ensure_ascii=True)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
