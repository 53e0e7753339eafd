"""Questions that sentences answer, in the words of an LLM: nearer to what people ask than those that rules make.

Nothing it says is believed: a reply of another form, an answer that does not stand in the sentence, and a question that
gives its answer away are passed over, and the rules make the question instead."""

from __future__ import annotations

import json
from typing import Any

from eval.match import contains
from eval.questions import Made
from index.types import Passage, Sentence
from rag.errors import LlmError
from rag.llm import LLM, reply
from rag.prompt import fenced, new_fence, prompt, visible
from rag.types import Turn

BY_LLM = "by-llm"
_MAX_TOKENS = 200
_MAX_CHARS = 300  # of a question


def inquire(llm: LLM, passage: Passage, sentence: Sentence, timeout_s: float) -> Made | None:
    """A question that ``sentence`` of ``passage`` answers, and the words of it that do; None when the LLM gives none
    that can be used."""
    fence = new_fence()
    sent = fenced(passage.text, f"{fence} passage") + fenced(sentence.text, f"{fence} sentence")
    request = (Turn("system", prompt("question", fence=fence)), Turn("user", sent))
    try:
        return _read(reply(llm, request, max_tokens=_MAX_TOKENS, timeout_s=timeout_s), sentence.text)
    except LlmError:
        return None


def _read(text: str, sentence: str) -> Made | None:
    try:
        found: Any = json.loads(text)
        question, answer = found["question"], found["answer"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if len(found) != 2 or not (isinstance(question, str) and isinstance(answer, str)):
        return None
    question, answer = " ".join(visible(question).split()), answer.strip()
    usable = (
        question.endswith("?") and len(question) <= _MAX_CHARS and answer in sentence and contains(sentence, answer)
    )
    return Made(question, answer) if answer and usable and not contains(question, answer) else None
