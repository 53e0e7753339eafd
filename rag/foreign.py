"""Words of a question that pull it away from the passages found.

A question that the documents nearly answer differs from one they do answer by a word or two ("which airline", "how
many died"). Such a word, when no quoted passage holds it, is tried out: the question is encoded without it. When that
brings it nearer to the quoted sentences the word is foreign to them; when it takes it further away the word was another
name for what they say. (Leaving words out to see what they do: occlusion, Li et al. 2016, arXiv:1612.08220.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set

from index.computing import side_by_side
from index.lexical import STOP_WORDS, terms
from index.types import Matrix, Vector
from rag.asked import CONTEXT_WEIGHT, start_of_focus

_MAX_WORDS = 8  # tried out; each costs one pass of the encoder over the question


def unheld_words(question: str, held: Set[str]) -> list[tuple[int, int]]:
    """Ranges in ``question`` of its meaningful words none of whose terms is in ``held``, in order."""
    found: list[tuple[int, int]] = []
    for match in re.finditer(r"[\w’'-]+", question):
        own = terms(match.group())
        if own and match.group().lower() not in STOP_WORDS and not any(term in held for term in own):
            found.append(match.span())
    return found[:_MAX_WORDS]


def foreignness(
    question: str, words: Sequence[tuple[int, int]], quoted: Matrix, encode: Callable[[str], Vector]
) -> float:
    """How much nearer the question comes to its best quoted sentence without each of ``words``, summed; at least 0.

    ``quoted`` are the quoted sentences' vectors, (n, dim) float32, unit rows; the sum is of cosines gained. A word of
    the sentences before the one that asks counts for less, as it does in what is covered."""
    if not words or not len(quoted):
        return 0.0
    whole = float((quoted @ encode(question)).max())
    tried = [" ".join((question[:start] + question[end:]).split()) for start, end in words]
    gained = [max(0.0, float((quoted @ vector).max()) - whole) for vector in side_by_side(encode, tried)]
    asking = start_of_focus(question)
    return sum(
        gain if start >= asking else CONTEXT_WEIGHT * gain for gain, (start, _) in zip(gained, words, strict=True)
    )
