"""What the reader is told of each token beside its meaning: whose it is, and whether the other side has the same word.

The exact match feature of DrQA (Chen et al. 2017, arXiv:1704.00051), on word pieces cut to a crude stem.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from index.lexical import STOP_WORDS

QUERY, PASSAGE, PASSAGE_SHARED, QUERY_SHARED = range(4)
N_TYPES = 4

_SUFFIXES = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "ies",
    "ers",
    "ed",
    "es",
    "er",
    "ly",
    "al",
    "s",
    "e",
    "y",
)
_MIN_STEM = 3
_ASKING = frozenset("who whom whose what which when where why how many much did does do".split())  # noqa: SIM905


class Marks:
    """The stems of a vocabulary, worked out once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        stems: dict[str, int] = {}
        self._stem = [0] * tokenizer.get_vocab_size()  # 0: nothing to match by
        for token, number in tokenizer.get_vocab().items():
            stem = _stem(token)
            if stem:
                self._stem[number] = stems.setdefault(stem, len(stems) + 1)

    def types(self, ids: Sequence[int], n_query: int) -> list[int]:
        """The type of each of ``ids``, of which the first ``n_query`` are the query's."""
        stems = [self._stem[number] for number in ids]
        query, passage = set(stems[:n_query]) - {0}, set(stems[n_query:]) - {0}
        return [
            (QUERY_SHARED if stem in passage else QUERY)
            if i < n_query
            else PASSAGE_SHARED
            if stem in query
            else PASSAGE
            for i, stem in enumerate(stems)
        ]


def _stem(token: str) -> str:
    """The part of a word piece that it is matched by; "" for special tokens, stop words, marks and single letters."""
    if token.startswith("[") or token in STOP_WORDS or token in _ASKING:
        return ""
    piece = token.removeprefix("##")
    if not any(character.isalnum() for character in piece) or (len(piece) == 1 and not piece.isdigit()):
        return ""
    for suffix in _SUFFIXES:
        if piece.endswith(suffix) and len(piece) - len(suffix) >= _MIN_STEM:
            return token[: -len(suffix)]
    return token
