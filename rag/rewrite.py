"""A question in the light of the conversation before it, without an LLM.

Three cases. A question that stands alone is left alone, and the questions before it still colour retrieval a little. A
fragment ("and in 2019?") takes the place of the part of the same kind in the question before it. A question that
points back ("what did he say?") is read together with the last question before it that stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.lexical import STOP_WORDS
from rag.asked import PREPOSITIONS, QUESTION_WORDS
from rag.types import Turn

# Weight of the previous and of the first question's scores: measured on multi-turn questions (docs/quality.md).
_HISTORY_WEIGHT = 0.2
_MAX_TURN_CHARS = 500  # of an earlier question; what is longer is a pasted text, not a question
_FRAGMENT_WORDS = 5
_LEANS_BELOW = 2  # words of its own with which a question says too little to stand alone
_REFERS_WITHIN = 3  # words of its own before a pronoun that give it something in the same question to stand for

_OPENING = re.compile(
    r"^(?:(?:and|but|or|so|ok|okay|then|also)\b[\s,]*)?(?:(?:what|how) about\b|what of\b)?\s*", re.IGNORECASE
)
_ABOUT = re.compile(r"^(?:(?:and|but|or|so|then|also)\b[\s,]*)?(?:what about|how about|what of)\b", re.IGNORECASE)
_OPENED = re.compile(r"^(?:and|but|or|then|also)\b", re.IGNORECASE)
_PREPOSITION = re.compile(rf"^(?:{PREPOSITIONS})\s+", re.IGNORECASE)
_AUXILIARY = r"(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would|should)"
_QUESTION_WORD = re.compile(rf"\b(?:{QUESTION_WORDS}|{_AUXILIARY})\b", re.IGNORECASE)
_VERB_FIRST = re.compile(r"^(?:tell|name|list|give|explain|describe|compare|show|find|summari[sz]e)\b", re.IGNORECASE)
_PRONOUN = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|the former|the latter|the others?|why so)\b"
    # "that" and "this" when they stand for something, not when they join or point at the noun that follows
    rf"|\b(?:that|this|those|these)(?=\W*$|\s+(?:{_AUXILIARY}|mean|happen|cost)\b)"
    # "there" for a place, not "is there a"
    r"|(?<!is )(?<!are )(?<!was )(?<!were )\bthere(?=\W*$)|\bthe same\W*$|\belse\W*$|\bones?\W*$",
    re.IGNORECASE,
)
_EMPTY_IT = re.compile(
    r"\b(?:is|was|does|did) it (?:possible|true|worth|better|safe|legal|necessary|ok|take)\b", re.IGNORECASE
)
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d{2}\b")
_NUMBER = re.compile(r"\b\d+\b")
_NAME = re.compile(r"\b[A-Z][\w’'-]*(?:\s+(?:of\s+|the\s+)*[A-Z][\w’'-]*)*")


@dataclass(frozen=True, slots=True)
class Understood:
    """The question as it is answered, and what is searched for, each with its weight. Sentences are scored by the
    first search, which is the question as asked wherever that can be searched for by itself."""

    standalone: str
    searches: tuple[tuple[str, float], ...]


def understand(question: str, messages: Sequence[Turn]) -> Understood:
    """Read ``question`` after ``messages``, of which only the user's own are taken in: an answer is no evidence."""
    asked = [
        turn.content.strip()[:_MAX_TURN_CHARS] for turn in messages if turn.role == "user" and turn.content.strip()
    ]
    if not asked:
        return Understood(question, ((question, 1.0),))
    before = asked[0]
    for earlier in asked[1:]:
        before = _carried(earlier, before)
    standalone = _standalone(question, before)
    # Read together, the question before drowns the one asked: so that is searched for by itself too, and comes first.
    searches = {question: 1.0, standalone: 1.0} if standalone.endswith(question.strip()) else {standalone: 1.0}
    for earlier in (asked[-1], asked[0]):
        searches.setdefault(earlier, _HISTORY_WEIGHT)
    return Understood(standalone, tuple(searches.items()))


def _carried(earlier: str, before: str) -> str:
    """What the question after ``earlier`` leans on: ``earlier`` where it stands alone, else what it leans on itself."""
    if _is_fragment(earlier):
        return _replaced(before, _fragment(earlier)) or before
    return before if _leans(earlier) else earlier


def _standalone(question: str, before: str) -> str:
    if _is_fragment(question):
        return _replaced(before, _fragment(question)) or _together(before, question)
    return _together(before, question) if _leans(question) else question


def _together(before: str, question: str) -> str:
    before = before.rstrip()
    return f"{before if before[-1] in '?.!' else before + '?'} {question.strip()}"


def _fragment(question: str) -> str:
    return _PREPOSITION.sub("", _OPENING.sub("", question)).strip(" ?.!")


def _is_fragment(question: str) -> bool:
    """A few words and no question in them: "and in 2019?", "what about Kazan?"."""
    fragment = _fragment(question)
    if not fragment or len(fragment.split()) > _FRAGMENT_WORDS or _VERB_FIRST.search(fragment):
        return False
    return not _QUESTION_WORD.search(fragment) and not _PRONOUN.search(fragment)


def _leans(question: str) -> bool:
    """Whether ``question`` needs the one before it to be understood."""
    content = _content(question)
    if len(content) < _LEANS_BELOW or _ABOUT.search(question):
        return True
    if _OPENED.search(question) and len(content) <= _REFERS_WITHIN:
        return True
    pronoun = _PRONOUN.search(question)
    if not pronoun or _EMPTY_IT.search(question):
        return False
    return len(_content(question[: pronoun.start()])) < _REFERS_WITHIN


def _content(text: str) -> list[str]:
    return [word for word in re.findall(r"[\w’'-]+", text.lower()) if word not in STOP_WORDS]


def _replaced(before: str, fragment: str) -> str:
    """``before`` with its part of the same kind as ``fragment`` exchanged for it; "" when it has none."""
    for kind in (_YEAR, _NUMBER):
        if kind.fullmatch(fragment) and len(kind.findall(before)) == 1:
            return kind.sub(fragment, before)
    names = [found for found in _NAME.finditer(before) if found.start() > 0]
    if names and _NAME.fullmatch(fragment):
        last = names[-1]
        return before[: last.start()] + fragment + before[last.end() :]
    return ""
