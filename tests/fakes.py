"""Hand-written stand-ins for what is slow. They implement the same protocols and pass the same contract suites."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from index.encode import pool_sentences
from index.types import EncodedPassage, Vector
from rag.read import Reading, Relation

_WORD = re.compile(r"\w+|[^\w\s]")


class FakeEncoder:
    """Words are tokens, and a word's vector comes from its hash: texts that share words are near each other.

    Counts what it is asked to embed, so that tests can say what was not embedded again."""

    def __init__(self, name: str = "fake", dim: int = 64, window: int = 40) -> None:
        self.name = name
        self.dim = dim
        self.window = window
        self.fingerprint = f"{name}-{dim}-{window}"
        self.encoded: list[str] = []

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in _WORD.finditer(text)]

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        self.encoded.append(text)
        spans = self.token_spans(text)
        assert len(spans) <= self.window, f"passage of {len(spans)} tokens"
        tokens = np.stack([self._word(text[start:end]) for start, end in spans]) if spans else np.zeros((1, self.dim))
        passage = _unit(tokens.mean(axis=0))
        return EncodedPassage(passage, pool_sentences(tokens.astype(np.float32), spans, sentences, passage))

    def encode_query(self, text: str) -> Vector:
        words = [text[start:end] for start, end in self.token_spans(text)][: self.window]
        return _unit(np.mean([self._word(word) for word in words], axis=0) if words else np.ones(self.dim))

    def _word(self, word: str) -> Vector:
        stem = word.lower().rstrip("s")
        seed = int.from_bytes(blake2b(stem.encode(), digest_size=8).digest(), "big")
        return np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)


def _unit(vector: NDArray[np.floating]) -> Vector:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)


def make_fake_encoder() -> FakeEncoder:
    """Importable by a build process."""
    return FakeEncoder()


class FakeReader:
    """A sentence answers as far as it shares the question's words; a passage, as far as its best sentence does."""

    fingerprint = "fake-reader"

    def read(self, question: str, passages: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        asked = self._words(question)
        readings = []
        for _, sentences in passages:
            logits = tuple(
                8.0 * len(asked & self._words(sentence)) / max(1, len(asked)) - 3.0 for sentence in sentences
            )
            readings.append(Reading(logits, max(logits, default=-3.0)))
        return readings

    def relate(self, claim: str, sentences: Sequence[str]) -> Relation:
        """Entailed as far as the sentences have the claim's words, and contradicted where only they say "not"."""
        stated = self._words(claim)
        share = len(stated & self._words(" ".join(sentences))) / max(1, len(stated))
        denied = (" not " in f" {claim} ") != any(" not " in f" {sentence} " for sentence in sentences)
        return Relation(0.0 if denied else share, 1.0 - share, share if denied else 0.0)

    def _words(self, text: str) -> set[str]:
        return {word.lower().rstrip("s") for word in _WORD.findall(text) if word.isalnum() and len(word) > 3}
