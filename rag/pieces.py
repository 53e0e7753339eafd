"""Whether a claim is pieced together from runs of a text's words, and where pieces meet that the text keeps apart.

A summary whose every word stands in the text can still be false: half of one sentence, and half of another, say what
neither says. Words of one sentence left out, or said in another order, are no such joint; nor is a name put for "it",
where the text goes on after "it"."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
_FOR_OTHERS = frozenset("he she it they him her them his hers its their theirs who which this that these those".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Pieces:
    words: int  # of the claim
    runs: tuple[tuple[str, ...], ...]  # of its words that stand in a row in the text, each as long as can be
    seams: tuple[int, ...]  # of these runs, those that stand in no sentence with the runs before, back to the last seam

    @property
    def found(self) -> float:
        """Share of the claim's words that stand in the text, in [0, 1]."""
        return sum(map(len, self.runs)) / self.words if self.words else 0.0


def pieces(claim: str, evidence: Sequence[str]) -> Pieces:
    """Read ``claim`` from the left, each time taking the longest run that a sentence of ``evidence`` has."""
    words = _words(claim)
    sentences = [_words(sentence) for sentence in evidence]
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)  # word -> (sentence, position)
    for i, sentence in enumerate(sentences):
        for position, word in enumerate(sentence):
            places[word].append((i, position))
    runs: list[tuple[str, ...]] = []
    seams: list[int] = []
    shared: set[int] = set()  # sentences that have all the runs since the last seam
    at = 0
    while at < len(words):
        begun = places.get(words[at], [])
        length = 1
        while at + length < len(words) and (
            longer := [(i, start) for i, start in begun if _has(sentences[i], start + length, words[at + length])]
        ):
            begun, length = longer, length + 1
        if begun:
            holding = {i for i, _ in begun}
            if runs and not shared & holding and not any(_refers(sentences[i], start) for i, start in begun):
                seams.append(len(runs))
            shared = shared & holding or holding
            runs.append(tuple(words[at : at + length]))
        at += length
    return Pieces(len(words), tuple(runs), tuple(seams))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _refers(sentence: Sequence[str], at: int) -> bool:
    """Whether what stands at ``at`` is said of something named elsewhere."""
    return at > 0 and sentence[at - 1] in _FOR_OTHERS


def _has(sentence: Sequence[str], at: int, word: str) -> bool:
    return at < len(sentence) and sentence[at] == word
