"""What a text counts off: "It drew two conclusions. The first was ... The second was ...", or "Step 1 ... Step 2 ...".

Who asks for all of it by its name, in the plural, is to get all of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from itertools import takewhile

from index.lexical import STOP_WORDS, terms
from index.types import Sentence

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_COUNT = "two|three|four|five|six|seven|eight|several|[2-8]"
_ANNOUNCES = re.compile(
    rf"\b(?:{_COUNT})\s+((?:[\w-]+\s+){{0,2}}[\w-]+)", re.IGNORECASE
)  # and what there are so many of
_COUNTS_OFF = re.compile(rf"^\W*(?:the\s+|a\s+)?({'|'.join(_ORDINALS)})(?:ly)?\b", re.IGNORECASE)
_NUMBERED = re.compile(r"^\W*((?:[^\W\d][\w-]*\s+){1,3})(\d{1,3})\b")
_PICKS = re.compile(rf"\d|\b(?:{'|'.join(_ORDINALS)}|last|final)\b", re.IGNORECASE)
_APART = 3  # sentences at most from one that counts off to the next


def series_of(question: str, sentences: Sequence[Sentence], best: Sentence) -> list[Sentence]:
    """The sentences of a passage that count off what ``question`` asks for, in order, where ``best`` is one of them or
    announces them; none where there is no such series, or the question asks for one thing of it."""
    named = frozenset(_plurals(question))
    if not named or _PICKS.search(question):
        return []
    for found in (_announced(named, sentences, best), _numbered(named, sentences, best)):
        if len(found) > 1:
            return found
    return []


def _plurals(text: str) -> list[str]:
    """Index terms of the words of ``text`` that may be plural nouns, in order."""
    words = re.findall(r"\w+", text.lower())
    return [terms(word)[0] for word in words if _may_be_plural(word)]


def _may_be_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith("ss") and word not in STOP_WORDS


def _kind(announced: str) -> str:
    """The last plural of the words after a number: regimes, of "sanctions regimes"; sets, of "sets of rules"."""
    words = list(takewhile(lambda word: word not in STOP_WORDS, announced.lower().split()))
    return next(iter(_plurals(" ".join(words))[::-1]), "")


def _announced(named: Set[str], sentences: Sequence[Sentence], best: Sentence) -> list[Sentence]:
    """What is counted off by ordinals after a sentence that says how many things of a kind ``named`` there are."""
    for at, sentence in enumerate(sentences):
        if any(_kind(announced[1]) in named for announced in _ANNOUNCES.finditer(sentence.text)):
            counted = _counted_off(sentences[at + 1 :])
            if best is sentence or best in counted:
                return counted
    return []


def _counted_off(sentences: Sequence[Sentence]) -> list[Sentence]:
    found: list[Sentence] = []
    waited = 0
    for sentence in sentences:
        counts_off = _COUNTS_OFF.match(sentence.text)
        if counts_off and counts_off[1].lower() == _ORDINALS[len(found)]:
            found.append(sentence)
            waited = 0
        else:
            waited += 1
        if waited == _APART or len(found) == len(_ORDINALS):
            break
    return found


def _numbered(named: Set[str], sentences: Sequence[Sentence], best: Sentence) -> list[Sentence]:
    """Those that open as ``best`` does, with a number after the same words, of which the last is ``named``."""
    opening = _head(best)
    thing = opening.split()[-1] if opening else ""
    if not thing or _may_be_plural(thing) or terms(thing)[0] not in named:
        return []
    return [sentence for sentence in sentences if _head(sentence) == opening]


def _head(sentence: Sentence) -> str:
    opens = _NUMBERED.match(sentence.text)
    return " ".join(opens[1].lower().split()) if opens else ""
