"""How readers do on what is kept out of training for that: relations, the answer among its neighbours, and whether
there is one: python -m training.judge DATA READER...

A READER is a checkpoint or an export (rag/data/reader.onnx). Each gets a line of JSON, of what ``judge`` says.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from index.encode import DEFAULT_MODEL, model_folder
from index.network import load_tokenizer
from rag.marks import Marks
from training import folders
from training.batches import Encoded, collate, encode
from training.checkpoints import mean
from training.data import kept_out, read, sentences_of
from training.model import RELATIONS, Reader
from training.types import Sample

_QUESTIONS = 500  # at least, where there are as many, spread over the folders kept out
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
    """Accuracies in [0, 1] on new_protocols' paragraph_val and fever_symmetric, MRR on the SelQA kept out, and what
    ``_judge_folders`` says of the folders kept out."""
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
    result["selqa_mrr"] = round(float(np.mean(ranks)), 4)
    return result | _judge_folders(reader, tokenizer, marks, [one for one in folders.load() if one.kept_out])


def _judge_folders(
    reader: Reader, tokenizer: Tokenizer, marks: Marks, kept_out: Sequence[folders.Folder]
) -> dict[str, float]:
    """Each question is read with every passage of its folder. folders_first: share of the answered ones whose
    first-ranked sentence answers; the same of those that ask for a number, and of those in other words than the text's.
    folders_auc: how well the best passage's logit tells them from the others."""
    every = [(folder, question) for folder in kept_out for question in folder.questions]
    asked = every[:: max(len(every) // _QUESTIONS, 1)]
    texts = {folder.name: list(folders.passages_of(folder, random.Random(folder.name))) for folder, _ in asked}
    encoded = [
        encode(tokenizer, marks, Sample(question.text, tuple(sentence for _, sentence in numbered), title=above))
        for folder, question in asked
        for above, numbered in texts[folder.name]
    ]
    found = iter(outputs(reader, encoded))
    first: dict[str, list[bool]] = {"all": [], "num": [], "para": []}
    answered: list[float] = []
    unanswered: list[float] = []
    for folder, question in asked:
        each = [(numbered, *next(found)) for _, numbered in texts[folder.name]]
        ranked = [
            (float(one), number)
            for numbered, logits, *_ in each
            for one, (number, _) in zip(logits, numbered, strict=False)
        ]
        sure = max(passage for _, _, passage, _ in each)
        if question.answered_by:
            for kind in {"all", question.kind} & first.keys():
                first[kind].append(max(ranked)[1] in question.answered_by)
        (answered if question.answered_by else unanswered).append(sure)
    better = np.subtract.outer(answered, unanswered)
    return {
        "folders_first": round(float(np.mean(first["all"])), 4),
        "folders_first_numbers": round(float(np.mean(first["num"])), 4),
        "folders_first_in_other_words": round(float(np.mean(first["para"])), 4),
        "folders_auc": round(float(np.mean((better > 0) + 0.5 * (better == 0))), 4),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of sets that training/README.md describes")
    parser.add_argument("readers", type=Path, nargs="+", metavar="READER")
    options = parser.parse_args(arguments)
    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    for path in options.readers:
        reader = Reader(folder)
        reader.load_state_dict(mean([path]))
        found = {"reader": str(path), **judge(reader, tokenizer, Marks(tokenizer), options.data)}
        sys.stdout.write(f"{json.dumps(found)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
