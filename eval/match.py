"""Comparing texts and spans: the small pure functions that measures are made of."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from rag.align import common_subsequence

_TYPOGRAPHIC = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "‑": "-", "–": "-"})
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|\w+")  # 13,000 is one token
_ARTICLES = frozenset({"a", "an", "the"})


def normalise(text: str) -> str:
    """Case folded, white space collapsed, typographic quotes and dashes made plain."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_TYPOGRAPHIC).casefold().split())


def contains(text: str, phrase: str) -> bool:
    """Whether ``phrase`` stands in ``text`` as whole words and whole numbers, after normalise.

    "12" is not in "2012", "12,000" or "3.12", and "warm" is not in "swarm" or "warmth". Letters of scripts without
    case (Han, Arabic, ...) may touch the phrase, for many of these put no space between words."""
    text, phrase = normalise(text), normalise(phrase)
    if not phrase:
        return False
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not _runs_on(text, start) and not _runs_on(text, end):
            return True
        start = text.find(phrase, start + 1)
    return False


def _runs_on(text: str, at: int) -> bool:
    """Whether a word or a number goes on across position ``at``."""
    if at <= 0 or at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if _is_word(before) and _is_word(after):
        return True
    left, right = text[max(at - 2, 0) : at + 1], text[at - 1 : at + 2]
    return any(len(part) == 3 and part[0].isdigit() and part[1] in ".," and part[2].isdigit() for part in (left, right))


def _is_word(character: str) -> bool:
    return character == "_" or character.isdigit() or character.upper() != character.lower()


def overlaps(start_a: int, end_a: int, start_b: int, end_b: int) -> bool:
    """Whether two spans share at least half of the shorter one. Empty spans overlap nothing."""
    shorter = min(end_a - start_a, end_b - start_b)
    return shorter > 0 and 2 * (min(end_a, end_b) - max(start_a, start_b)) >= shorter


def covers(start: int, end: int, evidence_start: int, evidence_end: int) -> bool:
    """Whether at least half of the evidence lies in the span [start, end)."""
    length = evidence_end - evidence_start
    return length > 0 and 2 * (min(end, evidence_end) - max(start, evidence_start)) >= length


def tokens(text: str) -> list[str]:
    """Words and numbers of the normalised text, without the articles a, an, the."""
    return [token for token in _TOKEN.findall(normalise(text)) if token not in _ARTICLES]


def token_f1(text: str, reference: str) -> float:
    """Harmonic mean of the precision and recall of shared tokens, in [0, 1].

    SQuAD's F1 (https://arxiv.org/abs/1606.05250), except that a number such as 13,000 is one token."""
    ours, theirs = tokens(text), tokens(reference)
    return _f1((Counter(ours) & Counter(theirs)).total(), len(ours), len(theirs))


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of tokens, in [0, 1]: ROUGE-L, https://aclanthology.org/W04-1013."""
    ours, theirs = tokens(text), tokens(reference)
    return _f1(common_subsequence(ours, theirs), len(ours), len(theirs))


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0
