"""How a reader does on the sets kept out of training for that: relations, and the answer among its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from rag.marks import Marks
from training.batches import Encoded, collate, encode
from training.data import kept_out, read, sentences_of
from training.model import RELATIONS, Reader
from training.types import Sample

_SENTENCES = 4  # of a section read together: more would not fit the window, and those that do not have no logit


@torch.no_grad()
def outputs(reader: Reader, encoded: Sequence[Encoded]) -> list[tuple[np.ndarray, float, np.ndarray]]:
    """(sentence logits, passage logit, relation logits) of each, in order."""
    was = reader.training
    reader.eval()
    device = next(reader.parameters()).device
    found: list[tuple[np.ndarray, float, np.ndarray]] = []
    for at in range(0, len(encoded), 16):
        batch = collate(encoded[at : at + 16])
        sentence, passage, relation = reader(**{name: tensor.to(device) for name, tensor in batch.inputs.items()})
        for i, one in enumerate(encoded[at : at + 16]):
            found.append((sentence[i, : len(one.spans)].cpu().numpy(), float(passage[i]), relation[i].cpu().numpy()))
    reader.train(was)
    return found


def judge(reader: Reader, tokenizer: Tokenizer, marks: Marks, data: Path) -> dict[str, float]:
    """Accuracies in [0, 1] on new_protocols' paragraph_val and fever_symmetric, and MRR on the SelQA kept out."""
    result: dict[str, float] = {}
    for name, most in (("new_protocols/paragraph_val", 500), ("fever_symmetric/dev", 400)):
        rows = read(data / f"{name}.jsonl.gz")[:most]
        encoded = [encode(tokenizer, marks, Sample(row["hypothesis"], sentences_of(row["premise"]))) for row in rows]
        right = [
            row["label"] == RELATIONS[int(relation.argmax())] if "paragraph" in name
            else (row["label"] == "entailment") == bool(relation[0] > relation[2])
            for row, (_, _, relation) in zip(rows, outputs(reader, encoded), strict=True)
        ]  # fmt: skip
        result[name] = round(float(np.mean(right)), 4)
    ranks = []
    groups = kept_out(data)
    windows = [
        (group, at, encode(tokenizer, marks, Sample(question, tuple(sentences[at : at + _SENTENCES]))))
        for group, (question, sentences, _) in enumerate(groups)
        for at in range(0, len(sentences), _SENTENCES)
    ]
    logits = [np.full(len(sentences), -np.inf) for _, sentences, _ in groups]
    for (group, at, one), (found, _, _) in zip(windows, outputs(reader, [one for _, _, one in windows]), strict=True):
        logits[group][at : at + len(one.spans)] = found
    for (_, _, answers), section in zip(groups, logits, strict=True):
        order = np.argsort(-section)
        ranks.append(next((1.0 / (place + 1) for place, i in enumerate(order) if answers[i]), 0.0))
    return result | {"selqa_mrr": round(float(np.mean(ranks)), 4)}
