"""A question in the light of the conversation before it, without an LLM.

Three cases. A question that stands alone is left alone, and the questions before it still colour retrieval a little. A
fragment ("and in 2019?") takes the place of the part of the same kind in the question before it. A question that
points back ("what did he say?") is read together with the question before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.lexical import STOP_WORDS
from rag.types import Turn

# Weight of the previous and of the first question's scores: measured on multi-turn questions (docs/quality.md).
_HISTORY_WEIGHT = 0.2
_MAX_TURN_CHARS = 500  # of an earlier question; what is longer is a pasted text, not a question
_FRAGMENT_WORDS = 5

_OPENING = re.compile(
    r"^(?:(?:and|but|or|so|ok|okay|then|also)\b[\s,]*)?(?:(?:what|how) about\b|what of\b)?\s*", re.IGNORECASE
)
_OPENED = re.compile(r"^(?:and|but|or|so|then|also|what about|how about|what of)\b", re.IGNORECASE)
_PREPOSITION = re.compile(r"^(?:in|on|at|for|by|from|of|with|during|since|to)\s+", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|that|those|these|this|there|then|ones?|"
    r"former|latter|same|else|why so|such)\b",
    re.IGNORECASE,
)
_QUESTION_WORD = re.compile(
    r"\b(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|has|have|had|will|would|should)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d{2}\b")
_NAME = re.compile(r"\b[A-Z][\w’'-]*(?:\s+(?:of\s+|the\s+)*[A-Z][\w’'-]*)*")


@dataclass(frozen=True, slots=True)
class Understood:
    """The question as it is answered, and what is searched for, each with its weight; the first is the question."""

    standalone: str
    searches: tuple[tuple[str, float], ...]


def understand(question: str, messages: Sequence[Turn]) -> Understood:
    """Read ``question`` after ``messages``. Only the user's own turns are taken in: an earlier answer is no evidence."""
    asked = [
        turn.content.strip()[:_MAX_TURN_CHARS] for turn in messages if turn.role == "user" and turn.content.strip()
    ]
    if not asked:
        return Understood(question, ((question, 1.0),))
    before = asked[0]
    for earlier in asked[1:]:
        before = _standalone(earlier, before)
    standalone = _standalone(question, before)
    searches = {standalone: 1.0}
    for earlier in (asked[-1], asked[0]):
        searches.setdefault(earlier, _HISTORY_WEIGHT)
    return Understood(standalone, tuple(searches.items()))


def _standalone(question: str, before: str) -> str:
    fragment = _PREPOSITION.sub("", _OPENING.sub("", question)).strip(" ?.!")
    is_fragment = len(fragment.split()) <= _FRAGMENT_WORDS and not _QUESTION_WORD.search(fragment)
    if is_fragment and fragment:
        replaced = _replaced(before, fragment)
        return replaced if replaced else f"{before.rstrip()} {question.strip()}"
    content = [word for word in re.findall(r"[\w’'-]+", question.lower()) if word not in STOP_WORDS]
    if _OPENED.search(question) or _POINTS_BACK.search(question) or len(content) < 2:
        return f"{before.rstrip()} {question.strip()}"
    return question


def _replaced(before: str, fragment: str) -> str:
    """``before`` with its part of the same kind as ``fragment`` exchanged for it; "" when it has none."""
    if _YEAR.fullmatch(fragment) and _YEAR.search(before):
        return _YEAR.sub(fragment, before)
    names = [found for found in _NAME.finditer(before) if found.start() > 0]
    if names and _NAME.fullmatch(fragment):
        last = names[-1]
        return before[: last.start()] + fragment + before[last.end() :]
    return ""
