"""A follow-up question put in full by an LLM. What it writes is searched for and shown as standalone_question, no more;
where it fails, the rules of rag/rewrite.py stand."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rag.errors import LlmError
from rag.llm import LLM, reply
from rag.prompt import fenced, new_fence, prompt, visible
from rag.rewrite import Understood
from rag.types import Turn

_MAX_TOKENS = 120
_MAX_CHARS = 400  # of the rewritten question; what is longer is no question
_MAX_TURN_CHARS = 500  # of an earlier turn
_MAX_TURNS = 6
_SHARE = 1 / 3  # of the time that the LLM has for the answer
_HISTORY_WEIGHT = 0.2  # of earlier questions in the search, as in rag/rewrite.py


def understand_with(llm: LLM, question: str, messages: Sequence[Turn], by_rule: Understood, until: float) -> Understood:
    """``question`` after ``messages`` as the LLM understands it; ``by_rule`` where nothing was said before, or where
    what it writes is not one short line."""
    earlier = [turn for turn in messages if turn.role != "system" and turn.content.strip()]
    asked = [turn.content.strip()[:_MAX_TURN_CHARS] for turn in earlier if turn.role == "user"]
    if not asked:
        return by_rule
    fence = new_fence()
    said = [f"{turn.role}: {' '.join(turn.content.split())[:_MAX_TURN_CHARS]}" for turn in earlier[-_MAX_TURNS:]]
    talk = fenced("\n".join([*said, f"last question: {question}"]), fence)
    request = (Turn("system", prompt("rewrite", fence=fence)), Turn("user", talk))
    timeout_s = _SHARE * (until - time.monotonic())
    try:
        written = visible(reply(llm, request, max_tokens=_MAX_TOKENS, timeout_s=timeout_s)).strip()
    except LlmError:
        return by_rule
    if len(written) > _MAX_CHARS or "\n" in written or not any(character.isalnum() for character in written):
        return by_rule
    searches = {written: 1.0}
    for before in (asked[-1], asked[0]):
        searches.setdefault(before, _HISTORY_WEIGHT)
    return Understood(written, tuple(searches.items()))
