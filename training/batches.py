"""Samples into tensors, batched by length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from index.network import special_token
from rag.marks import Marks
from training.model import RELATIONS
from training.types import Sample

MAX_TOKENS = 256
BATCH_TOKENS = 7_200  # padded
_CHUNK = 2_000  # samples sorted by length together, so that batches are even and their order still random


@dataclass(frozen=True, slots=True)
class Encoded:
    sample: Sample
    ids: list[int]
    types: list[int]
    spans: list[tuple[int, int]]  # of each sentence's tokens


def encode(tokenizer: Tokenizer, marks: Marks, sample: Sample) -> Encoded:
    """Sentences that do not fit are left off at the end, and the last one that begins within the window is cut."""

    def tokens(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    start, end = special_token(tokenizer, "[CLS]"), special_token(tokenizer, "[SEP]")
    ids = [start, *tokens(sample.query)[:96], end]
    asked = len(ids)
    ids += tokens(f"{sample.title}." if sample.title else "")[:32]
    spans: list[tuple[int, int]] = []
    for sentence in sample.sentences:
        more = tokens(sentence)[: MAX_TOKENS - 1 - len(ids)]
        if not more:
            break
        spans.append((len(ids), len(ids) + len(more)))
        ids += more
    ids.append(end)
    return Encoded(sample, ids, marks.types(ids, asked), spans)


@dataclass(frozen=True, slots=True)
class Batch:
    inputs: dict[str, Tensor]
    samples: list[Sample]
    has_answers: Tensor  # (n,) bool
    answers: Tensor  # (n, n_sentences) float
    sentence_mask: Tensor  # (n, n_sentences) bool
    answerable: Tensor  # (n,) float, -1 unknown
    relation: Tensor  # (n,) long: RELATIONS, 3 not_entailment, -1 none
    weight: Tensor  # (n,)
    n_tokens: int


def collate(encoded: Sequence[Encoded]) -> Batch:
    n, longest = len(encoded), max(len(one.ids) for one in encoded)
    widest = max(1, max(len(one.spans) for one in encoded))
    ids, types, mask = (np.zeros((n, longest), dtype=np.int64) for _ in range(3))
    pool = np.zeros((n, widest, longest), dtype=np.float32)
    answers, present = np.zeros((n, widest), dtype=np.float32), np.zeros((n, widest), dtype=bool)
    for i, one in enumerate(encoded):
        ids[i, : len(one.ids)], types[i, : len(one.ids)], mask[i, : len(one.ids)] = one.ids, one.types, 1
        for j, (start, end) in enumerate(one.spans):
            pool[i, j, start:end] = 1.0 / (end - start)
            present[i, j] = True
            answers[i, j] = float(one.sample.answers[j]) if one.sample.answers else 0.0
    samples = [one.sample for one in encoded]
    relation = [
        -1 if not s.relation else 3 if s.relation == "not_entailment" else RELATIONS.index(s.relation) for s in samples
    ]
    return Batch(
        inputs={
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "token_type_ids": torch.from_numpy(types),
            "pool": torch.from_numpy(pool),
        },
        samples=samples,
        has_answers=torch.tensor([bool(s.answers) for s in samples]),
        answers=torch.from_numpy(answers),
        sentence_mask=torch.from_numpy(present),
        answerable=torch.tensor([-1.0 if s.answerable is None else float(s.answerable) for s in samples]),
        relation=torch.tensor(relation),
        weight=torch.tensor([s.weight for s in samples]),
        n_tokens=sum(len(one.ids) for one in encoded),
    )


def batches(encoded: Sequence[Encoded], chance: random.Random) -> Iterator[list[Encoded]]:
    """All of ``encoded`` in its order, except that neighbours are grouped by length."""
    for at in range(0, len(encoded), _CHUNK):
        made: list[list[Encoded]] = [[]]
        for one in sorted(encoded[at : at + _CHUNK], key=lambda one: len(one.ids)):
            if made[-1] and (len(made[-1]) + 1) * len(one.ids) > BATCH_TOKENS:
                made.append([])
            made[-1].append(one)
        chance.shuffle(made)
        yield from made
