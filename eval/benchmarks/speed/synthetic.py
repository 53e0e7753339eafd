"""An encoder that costs next to nothing, for measuring everything but the encoder."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path

import numpy as np

from index.types import EncodedPassage, Matrix, Vector

_TOKEN = re.compile(r"\w+|[^\w\s]")
_SPLIT = 8  # a longer word counts as several tokens, as in a vocabulary of pieces
_NOISE = 0.6  # length of the noise beside a unit vector: neighbours then have cosines of about .73
_BLOCK = 1 << 16  # numbers drawn once, from which the noise of a text is cut


class SyntheticEncoder:
    """A text's vector is one of ``base``, chosen by the text, and noise of its own.

    ``base`` are real vectors, so that there are near and far neighbours as among real texts; a sentence that is in
    ``pool`` has its own, whatever stands around it. The same text gets the same vectors in every process."""

    def __init__(self, base: Matrix, pool: list[str], *, window: int = 128) -> None:
        self.name = "synthetic"
        self.dim = int(base.shape[1])
        self.window = window
        self._base = base
        self._row = {sentence: i for i, sentence in enumerate(pool)}
        digest = blake2b(base.tobytes() + repr((pool, window)).encode(), digest_size=16)
        self.fingerprint = f"synthetic-{digest.hexdigest()}"
        drawn = np.random.default_rng(0).standard_normal(_BLOCK + self.dim)
        self._noise = np.asarray(drawn * (_NOISE / np.sqrt(self.dim)), dtype=np.float32)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [
            (start, min(start + _SPLIT, found.end()))
            for found in _TOKEN.finditer(text)
            for start in range(found.start(), found.end(), _SPLIT)
        ]

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        rows = np.stack([self._vector(text[start:end]) for start, end in sentences] or [self._vector(text)])
        number = _hash(text)
        passage = _unit(rows.mean(axis=0) + self._noise_of(number) / 2)
        shaken = np.stack([self._noise_of(number + i + 1) for i in range(len(rows))]) / 2
        vectors = rows + shaken  # (n_sentences, dim): in context, so never twice the same
        return EncodedPassage(passage, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def encode_query(self, text: str) -> Vector:
        return self._vector(text)

    def _vector(self, sentence: str) -> Vector:
        number = _hash(sentence)
        row = self._row.get(sentence, number % len(self._base))
        return _unit(self._base[row] + self._noise_of(number))

    def _noise_of(self, number: int) -> Vector:
        start = number % _BLOCK
        return self._noise[start : start + self.dim]


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def load_synthetic(base: Path, window: int) -> SyntheticEncoder:
    """From ``base``.f32, vectors, and ``base``.txt, the sentences they are of, a line each. Importable by a child."""
    pool = base.with_suffix(".txt").read_text("utf-8").splitlines()
    vectors = np.fromfile(base.with_suffix(".f32"), dtype=np.float32).reshape(len(pool), -1)
    return SyntheticEncoder(vectors, pool, window=window)


def load_hashing() -> SyntheticEncoder:
    """One with no real vectors behind it, for what embeds nothing or where nobody asks. Importable by a child."""
    return SyntheticEncoder(np.eye(64, dtype=np.float32), [])
