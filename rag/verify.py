"""Is this sentence supported by that text? Judged without a network and without an LLM.

A sentence that stands in the text is supported. One that is a copy of a sentence but for a number, a name, a negation
or an opposite is not, and neither is one that joins halves of several. All others are judged by a logistic model of how
their words lie in the text, how near the nearest sentences are, and what the reader makes of sentence and text.
docs/evaluation.md has what it reaches; `training/checker.py` fits the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

import numpy as np

from index.types import Vector
from rag.align import Alignment, align, stands_in
from rag.pieces import Pieces, pieces
from rag.read import Reader
from rag.types import Verdict

_NEAREST = 2  # sentences read beside those that hold the claim's words
_COPY = 0.75  # share of a sentence's words, in order, from which on it is a copy of another
_NEARLY = 0.6  # and from which on an opposite is one
_PIECED = 0.95  # share of a sentence's words that stand in the text, from which on it is pieced together from it
_RUN = 3.5  # if its runs have as many words on average: words of every text stand somewhere
_BETWEEN_SEAMS = 10.0  # words on average; with fewer it is more joint than piece
_RULES = "2"  # which edition of _broken and _joined this is: part of the fingerprint
_MOST_LOGIT = 6.0  # of the reader; beyond it is surer than it has reason to be
_REMEMBERED = 4_096  # sentences
_SHOWN_WORDS = 8


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a checker says of one sentence."""

    verdict: Verdict
    support: float  # in [0, 1]: estimated probability that the text bears the sentence out; 0 when unjudged
    why: str  # in words; names those that found no support
    unsupported: tuple[str, ...] = ()  # words of the sentence, as written, that the text does not bear out


QUOTED = "it stands in the text"
NOTHING_TO_JUDGE = Judgement("unjudged", 0.0, "there is nothing to judge, or no text to judge it by")


class Checker(Protocol):
    @property
    def fingerprint(self) -> str:
        """Changes whenever the same sentence and text could be judged differently."""

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        """Judge ``sentence`` by the text whose sentences ``evidence`` are, in order. A text that cannot be judged by
        is a verdict, "unjudged", and never an error. Safe to call from threads."""


class QuotationChecker:
    """Supports what stands in the text word for word, and nothing else."""

    fingerprint = "quotation"

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        if not sentence.strip() or not any(one.strip() for one in evidence):
            return NOTHING_TO_JUDGE
        if stands_in(sentence, evidence):
            return Judgement("supported", 1.0, QUOTED)
        return Judgement("unsupported", 0.0, "it does not stand in the text word for word")


@dataclass(frozen=True, slots=True)
class Signs:
    """What the model judges by. The higher the more support, except for the counts."""

    covered: float
    covered_anywhere: float
    pairs: float
    numbers_missing: int
    names_missing: int
    opposed: bool
    cosine: float  # mean of the nearest sentences'
    entailed: float  # the reader's log-odds; 0 without one
    was_read: bool


@dataclass(frozen=True, slots=True)
class Weights:
    intercept: float
    covered: float
    covered_anywhere: float
    pairs: float
    number_missing: float
    name_missing: float
    opposed: float
    cosine: float
    entailed: float = 0.0


# As `python -m training.checker` prints them.
READ = Weights(
    intercept=-1.222,
    covered=0.439,
    covered_anywhere=0.389,
    pairs=0.377,
    number_missing=-0.509,
    name_missing=-0.238,
    opposed=-0.731,
    cosine=0.873,
    entailed=0.328,
)
UNREAD = Weights(
    intercept=-1.879,
    covered=1.048,
    covered_anywhere=1.272,
    pairs=0.184,
    number_missing=-0.99,
    name_missing=-0.363,
    opposed=-0.819,
    cosine=0.496,
)


class AlignmentChecker:
    """The checker that needs nothing but what Footnote has: words, the encoder, and the reader where it is on."""

    def __init__(self, encode: Callable[[str], Vector], encoder_fingerprint: str, reader: Reader | None) -> None:
        """``encode`` gives a sentence's vector, (dim,) float32, unit length."""
        self._encode = lru_cache(maxsize=_REMEMBERED)(encode)  # a text is often asked about more than once
        self._reader = reader
        named = [encoder_fingerprint, reader.fingerprint if reader else "", repr((READ, UNREAD)), _RULES]
        self.fingerprint = sha256("/".join(named).encode()).hexdigest()

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        evidence = [one for one in evidence if one.strip()]
        if not sentence.strip() or not evidence:
            return NOTHING_TO_JUDGE
        found = align(sentence, evidence)
        if found.quoted:
            return Judgement("supported", 1.0, QUOTED)
        support = probability(self.signs(sentence, evidence, found))
        broken = _broken(found) or _joined(pieces(sentence, evidence))
        if broken is not None:
            verdict, why, words = broken
            return Judgement(verdict, min(support, _BROKEN), why, words)
        if support >= 0.5:
            return Judgement("supported", support, _said(found) or "the text says it in other words")
        return Judgement(
            "unsupported", support, _said(found) or "the text has its words and does not say it", found.missing
        )

    def signs(self, sentence: str, evidence: Sequence[str], found: Alignment) -> Signs:
        vectors = np.stack([self._encode(one) for one in evidence])  # (n, dim)
        cosines = vectors @ self._encode(sentence)
        nearest = [int(i) for i in np.argsort(-cosines, kind="stable")[:_NEAREST]]
        read = sorted({*found.sentences, *nearest})
        relation = self._reader.relate(sentence, [evidence[i] for i in read]) if self._reader else None
        return Signs(
            covered=found.covered,
            covered_anywhere=found.covered_anywhere,
            pairs=found.pairs,
            numbers_missing=min(len(found.missing_numbers), 2),
            names_missing=min(len(found.missing_names), 2),
            opposed=found.opposed is not None,
            cosine=float(cosines[nearest].mean()),
            entailed=_log_odds(relation.entailed) if relation else 0.0,
            was_read=relation is not None,
        )


def probability(signs: Signs) -> float:
    """The model's estimate, in (0, 1)."""
    by = READ if signs.was_read else UNREAD
    z = (
        by.intercept
        + by.covered * signs.covered
        + by.covered_anywhere * signs.covered_anywhere
        + by.pairs * signs.pairs
    )
    z += by.number_missing * signs.numbers_missing + by.name_missing * signs.names_missing
    z += by.opposed * signs.opposed + by.cosine * signs.cosine + by.entailed * signs.entailed
    return 1.0 / (1.0 + math.exp(-z))


_BROKEN = 0.25
"""Most support for a sentence that differs from the text in what can be told with certainty."""


def _broken(found: Alignment) -> tuple[Verdict, str, tuple[str, ...]] | None:
    """A verdict that no likeness outweighs, why, and the words at fault; None when nothing of the kind is found."""
    if found.copied >= _COPY and found.denied:
        return "contradicted", "it says what the text denies, or denies what it says", ()
    if found.copied >= _NEARLY and found.opposed:
        ours, theirs = found.opposed
        return "contradicted", f"it says {ours!r} where the text says {theirs!r}", (ours,)
    if found.missing_numbers:
        return "unsupported", f"the text does not have {_listed(found.missing_numbers)}", found.missing_numbers
    if found.copied >= _COPY and found.differing:
        return "unsupported", f"the sentence it is like does not have {_listed(found.differing)}", found.differing
    return None


def _joined(found: Pieces) -> tuple[Verdict, str, tuple[str, ...]] | None:
    """As _broken, of a sentence whose words are all the text's and whose joints are its own."""
    if found.found < _PIECED or not found.seams or found.words < _RUN * len(found.runs):
        return None
    if found.words >= _BETWEEN_SEAMS * (1 + len(found.seams)):
        return None
    at = found.seams[0]
    one, other = (" ".join(run) for run in found.runs[at - 1 : at + 1])
    return "unsupported", f"it joins {one!r} to {other!r}, which stand apart in the text", ()


def _said(found: Alignment) -> str:
    return f"words that found no support: {_listed(found.missing)}" if found.missing else ""


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN_WORDS} more" if len(words) > _SHOWN_WORDS else ""
    return ", ".join(words[:_SHOWN_WORDS]) + more


def _log_odds(share: float) -> float:
    kept = min(max(share, 1e-6), 1 - 1e-6)
    return min(max(math.log(kept / (1 - kept)), -_MOST_LOGIT), _MOST_LOGIT)
