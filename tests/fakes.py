"""Hand-written stand-ins for what is slow. They implement the same protocols and pass the same contract suites."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Generator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from index.encode import pool_sentences
from index.types import EncodedPassage, Vector
from rag.errors import LlmError
from rag.read import Reading, Relation
from rag.types import Turn
from rag.verify import AlignmentChecker

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


class FakeLLM:
    """Replies with what it is fed, one a request: a text, which comes in pieces of ``size`` characters, an LlmError, or
    both, the error after the text. Remembers what it was asked."""

    fingerprint = "fake-llm"

    def __init__(self, *replies: str | LlmError | tuple[str, LlmError], size: int = 7) -> None:
        self.queue = deque(replies)
        self.asked: list[Sequence[Turn]] = []
        self._size = size

    def stream(self, messages: Sequence[Turn], *, max_tokens: int, timeout_s: float) -> Generator[str, None, None]:
        self.asked.append(messages)
        fed = self.queue.popleft()
        text, error = fed if isinstance(fed, tuple) else ("", fed) if isinstance(fed, LlmError) else (fed, None)
        for start in range(0, len(text), self._size):
            yield text[start : start + self._size]
        if error is not None:
            raise error


class JudgingLLM:
    """Replies to the prompt of rag/judge.py as an LLM does that judges as well as the checker of words."""

    fingerprint = "judging-llm"

    def stream(self, messages: Sequence[Turn], *, max_tokens: int, timeout_s: float) -> Generator[str, None, None]:
        text, sentence = re.findall(r"BEGIN \w+ \w+\n(.*?)\nEND", messages[1].content, re.DOTALL) or ("", "")
        encoder = FakeEncoder()
        found = AlignmentChecker(encoder.encode_query, encoder.fingerprint, None).verify(sentence, text.split("\n"))
        words = [word for word in found.unsupported if word in sentence]
        verdict = "unsupported" if found.verdict == "unjudged" else found.verdict
        yield json.dumps({"verdict": verdict, "words": [] if verdict == "supported" else words, "why": found.why})
