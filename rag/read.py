"""A small model that reads a question together with a passage, and says which sentences answer it.

The encoder tells what a sentence is about; the reader, whether it says what is asked. It ships in rag/data with a card
that says how it was made (MODEL_CARD.md); training/ is the recipe. Without it answers are chosen as before, by the
encoder and by words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.computing import side_by_side
from index.network import Damaged, Network, load_tokenizer, special_token
from rag.errors import ReaderError
from rag.marks import Marks

FOLDER = Path(__file__).parent / "data"
FORMAT = 1
_MAX_QUESTION_TOKENS = 96
_MAX_TITLE_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader makes of one passage. Logits: 0 is even odds, and more is more likely."""

    sentences: tuple[float, ...]  # that this sentence answers, one a sentence
    passage: float  # that the passage answers


@dataclass(frozen=True, slots=True)
class Relation:
    """How a claim stands to a few sentences, as probabilities that sum to 1."""

    entailed: float
    neutral: float
    contradicted: float


class Reader(Protocol):
    @property
    def fingerprint(self) -> str:
        """Changes whenever the same question and passage could be read differently."""

    def read(self, question: str, passages: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        """One reading a passage, each read by itself. ``passages`` are titles with their sentences, in order; one that
        is longer than the reader's window is read in several goes, and a sentence that is, as far as it fits."""

    def relate(self, claim: str, sentences: Sequence[str]) -> Relation:
        """What the sentences, read together, make of the claim; those that do not fit the window are left off."""


class OnnxReader:
    """The reader that ships, or another of the same make. Safe to call from threads."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises ReaderError when the files are missing, damaged or of another format."""
        try:
            card = json.loads((folder / "reader.json").read_text("utf-8"))
            if card["format"] != FORMAT:
                raise ValueError(f"format {card['format']}")
            if sha256((folder / "tokenizer.json").read_bytes()).hexdigest() != card["tokenizer_sha256"]:
                raise Damaged("tokenizer.json")
            self._network = Network(folder / "reader.onnx", card["sha256"])
            self._window = int(card["max_tokens"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReaderError(
                f"The reader cannot be loaded ({error}).",
                remedy="Install Footnote again, or set FOOTNOTE_READER=false.",
            ) from error
        self.fingerprint = str(card["sha256"])
        self._tokenizer = load_tokenizer(folder / "tokenizer.json")
        self._start, self._end = (special_token(self._tokenizer, token) for token in ("[CLS]", "[SEP]"))
        self._marks = Marks(self._tokenizer)

    def read(self, question: str, passages: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        asked = [self._start, *self._tokens(question)[:_MAX_QUESTION_TOKENS], self._end]
        return side_by_side(lambda passage: self._read(asked, *passage), passages)

    def relate(self, claim: str, sentences: Sequence[str]) -> Relation:
        stated = [self._start, *self._tokens(claim)[:_MAX_QUESTION_TOKENS], self._end]
        tokens = [self._tokens(sentence) or [self._end] for sentence in sentences]
        window = next(iter(_windows(tokens, self._window - len(stated) - 1)), [[self._end]])
        *_, logits = self._run(stated, [], window)
        odds = np.exp(logits - logits.max())
        return Relation(*(float(share) for share in odds / odds.sum()))

    def _read(self, asked: list[int], title: str, sentences: Sequence[str]) -> Reading:
        head = self._tokens(f"{title}.")[:_MAX_TITLE_TOKENS] if title else []
        room = self._window - len(asked) - len(head) - 1
        logits: list[float] = []
        best = -np.inf
        for window in _windows([self._tokens(sentence) or [self._end] for sentence in sentences], room):
            scores, whole, _ = self._run(asked, head, window)
            logits += scores
            best = max(best, whole)
        return Reading(tuple(logits), float(best))

    def _run(
        self, asked: list[int], head: list[int], window: Sequence[list[int]]
    ) -> tuple[list[float], float, NDArray[np.float32]]:
        """Logits of the sentences, of the passage, and of the relation (3,)."""
        ids = [*asked, *head]
        pool = np.zeros((1, len(window), len(ids) + sum(map(len, window)) + 1), dtype=np.float32)
        for i, tokens in enumerate(window):
            pool[0, i, len(ids) : len(ids) + len(tokens)] = 1.0 / len(tokens)
            ids += tokens
        row = np.asarray([[*ids, self._end]], dtype=np.int64)  # (1, n_tokens)
        types = np.asarray([self._marks.types([*ids, self._end], len(asked))], dtype=np.int64)
        sentence, passage, relation = self._network.run({"input_ids": row, "token_type_ids": types, "pool": pool})
        return [float(score) for score in sentence[0]], float(passage[0]), relation[0]

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _windows(sentences: Sequence[list[int]], room: int) -> list[list[list[int]]]:
    """The sentences in runs that fit ``room`` tokens, in order; one that is longer by itself is cut."""
    windows: list[list[list[int]]] = []
    left = 0
    for tokens in sentences:
        tokens = tokens[:room]
        if len(tokens) > left:
            windows.append([])
            left = room
        windows[-1].append(tokens)
        left -= len(tokens)
    return windows
