"""A question taken apart: what it is about, what kind of answer it wants, and how much of it a text covers."""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import cache, lru_cache

from index.lexical import STOP_WORDS, content_terms, terms
from index.sentences import false_break
from rag.kinds import Kind, counted_noun, defined_term, kind_of, said_by_kind

CONTEXT_WEIGHT = 0.35  # of words from the sentences before the one that asks
_DOTTED = re.compile(r"\b\w\.\w\.$")  # u.s.
QUESTION_WORDS = "who|whom|whose|what|when|where|which|why|how"  # alternatives of a pattern
PREPOSITIONS = "in|on|at|for|by|from|of|with|during|since|to"  # the same: before a place, a time or a question word
_ASKS = re.compile(rf"\b(?:{QUESTION_WORDS})\b", re.IGNORECASE)
# Where another question begins.
_JOINT = re.compile(
    rf",?\s(?:and|but|or)\s(?:also\s)?(?:(?:{PREPOSITIONS}|until|about|under)\s)?(?:{QUESTION_WORDS})\b", re.IGNORECASE
)
_VARIANT = 0.8  # a word of the same stem by its letters: treat, treatment
_RELATED = 0.8  # a word of the same field: warn, fear
_MIN_STEM, _MAX_SUFFIX = 4, 4  # letters that two variants share, and may differ by

# Words a question uses where the text that answers it uses another. Plain English only.
_FIELDS = (
    "say tell state claim declare report comment remark mention write explain think believe argue expect warn fear"
    " concern worry suggest",
    "danger risk threat concern worry fear",
    "die kill death casualty fatality dead",
    "begin start open launch found establish create",
    "end finish close stop",
    "cost price pay charge fee money expensive free compensation bill",
    "expert analyst specialist researcher scientist",
    "job role position post capacity office profession occupation",
    "build construct erect",
    "live reside home",
    "big large great huge",
    "win victory beat defeat",
    "make produce manufacture build",
    "buy purchase acquire",
    "rise increase growth grow jump surge",
    "fall decrease decline drop",
    "hurt injure wound",
    "film movie",
    "send dispatch deploy",
    "get receive obtain",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as selection and abstention see it. ``weights`` and ``even`` are by index term."""

    kind: Kind
    words: frozenset[str]  # all of its words, lower-case
    weights: dict[str, float]  # idf
    even: dict[str, float]  # the same terms without idf
    names: frozenset[str]  # terms that are names or numbers
    implied: frozenset[str]  # terms that holding the kind asked for covers
    counted: str = ""  # noun of which a number is asked
    defined: str = ""  # term that is to be explained


def ask(question: str, idf: Callable[[str], float]) -> Asked:
    """Take ``question`` apart. Of several sentences the last one asks and the others say what about."""
    focus = focus_of(question)
    kind = kind_of(focus)
    asking = set(content_terms(focus))
    every = {term: 1.0 if term in asking else CONTEXT_WEIGHT for term in content_terms(question)}
    return Asked(
        kind=kind,
        words=frozenset(re.findall(r"\w+", question.lower())),
        weights={term: share * max(idf(term), 0.0) for term, share in every.items()},
        even=every,
        names=frozenset(names_in(question) & every.keys()),
        counted=counted_noun(focus),
        defined=defined_term(focus),
        implied=frozenset(term for word in said_by_kind(kind) for term in terms(word)) & every.keys(),
    )


def focus_of(question: str) -> str:
    """The last sentence of ``question``: the one that asks, where those before it say what about."""
    question = question.strip()
    return question[start_of_focus(question) :]


def asks_several(question: str) -> bool:
    """Whether its last sentence asks two things: "How many came, and where do they work?". "When and how was it built?"
    asks one."""
    focus = focus_of(question)
    before = (focus[: joint.start()] for joint in _JOINT.finditer(focus))
    return any(_ASKS.search(part) and not STOP_WORDS.issuperset(part.lower().split()) for part in before)


def start_of_focus(question: str) -> int:
    """Where in ``question`` its last sentence begins."""
    breaks = (stop.span() for stop in re.finditer(r"(?<=[?.!])\s+(?=\S)", question.rstrip()))
    return max((end for start, end in breaks if _is_break(question[:start], question[end:])), default=0)


def _is_break(before: str, after: str) -> bool:
    # People write questions without capitals, so that a small letter does not tell.
    return not _DOTTED.search(before) and not false_break(before, after.capitalize())


def coverage(weights: dict[str, float], present: Set[str], implied: Set[str] = frozenset()) -> float:
    """Share of ``weights`` whose terms are ``present``, in [0, 1]; a variant or a related word counts in part."""
    whole = sum(weights.values())
    got = sum(weight * (1.0 if term in implied else match(term, present)) for term, weight in weights.items())
    return got / whole if whole > 0 else 0.0


def match(term: str, present: Set[str]) -> float:
    """How well the best of ``present`` stands for ``term``, in [0, 1]."""
    if term in present:
        return 1.0
    if _has_variant(term, present):
        return _VARIANT
    return _RELATED if _related().get(term, frozenset()) & present else 0.0


def _has_variant(term: str, present: Set[str]) -> bool:
    """Whether one of two begins with the other, is at most _MAX_SUFFIX longer, and the shorter has a stem's length."""
    length = len(term)
    if length < _MIN_STEM:
        return False
    if any(term[:shorter] in present for shorter in range(max(_MIN_STEM, length - _MAX_SUFFIX), length)):
        return True
    return term in _stems_of(frozenset(present))


@lru_cache(maxsize=256)  # a question compares the same sentences with each of its terms
def _stems_of(present: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*map(_stems, present))


@lru_cache(maxsize=1 << 16)
def _stems(word: str) -> tuple[str, ...]:
    """The beginnings of ``word`` that it is a variant of."""
    return tuple(word[:length] for length in range(max(_MIN_STEM, len(word) - _MAX_SUFFIX), len(word)))


@cache
def _related() -> dict[str, frozenset[str]]:
    fields: dict[str, frozenset[str]] = {}
    for field in _FIELDS:
        together = frozenset(terms(field))
        for term in together:
            fields[term] = fields.get(term, frozenset()) | together
    return fields


def names_in(question: str) -> set[str]:
    """Terms of numbers and of capitalised words; none of the latter where capitals mean nothing."""
    words = re.findall(r"[\w’'-]+", question)
    shouted = sum(word[0].isupper() for word in words) > 0.6 * len(words)
    starts = {match.start(1) for match in re.finditer(r"(?:^|[?.!]\s+)\W*(\w)", question)}
    found: list[str] = []
    for word in re.finditer(r"[\w’'-]+", question):
        named = word.group()[0].isupper() and word.start() not in starts and not shouted
        if named or any(character.isdigit() for character in word.group()):
            found.append(word.group())
    return set(content_terms(" ".join(found))) if found else set()
