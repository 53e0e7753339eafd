"""Train the reader: python -m training.train DATA OUT [--passes N] [--share S] [--from START] [--seed N] [--workers N]

DATA holds the sets that training/data.py names. OUT gets checkpoint.pt (every few minutes, and at the end) and
log.jsonl. A run is repeatable on one machine: seeds are fixed and the samples come in one order.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils import logging as hub_logging

from index.encode import DEFAULT_MODEL, model_folder
from index.network import load_tokenizer
from rag.marks import Marks
from training.batches import Batch, batches, collate, encode
from training.checkpoints import load
from training.data import mix
from training.judge import judge
from training.model import Precision, Reader

_RATE, _HEAD_RATE = 1.5e-4, 4e-4
_WARM_UP = 0.04  # of all tokens
_DECAY = 0.01
_LOG_EVERY, _SAVE_EVERY = 50, 250  # steps


def loss_of(batch: Batch, sentence: Tensor, passage: Tensor, relation: Tensor) -> Tensor:
    """Sum of what each head is told by the batch, each a mean over the samples that say anything to it."""
    total = sentence.new_zeros(())
    rows = batch.has_answers
    if rows.any():
        total = total + _weighted(_sentence_loss(batch, sentence)[rows], batch.weight[rows])
    rows = batch.answerable >= 0
    if rows.any():
        each = functional.binary_cross_entropy_with_logits(passage[rows], batch.answerable[rows], reduction="none")
        total = total + 0.7 * _weighted(each, batch.weight[rows])
    rows = (batch.relation >= 0) & (batch.relation < 3)
    if rows.any():
        each = functional.cross_entropy(relation[rows], batch.relation[rows], reduction="none")
        total = total + _weighted(each, batch.weight[rows])
    rows = batch.relation == 3
    if rows.any():
        no = torch.log1p(-relation[rows].softmax(-1)[:, 0].clamp(max=0.999))
        total = total - 0.5 * _weighted(no, batch.weight[rows])
    return total


def _sentence_loss(batch: Batch, logits: Tensor) -> Tensor:
    """(n,): each sentence by itself, and the marked ones against the others of their passage."""
    mask = batch.sentence_mask
    alone = functional.binary_cross_entropy_with_logits(logits, batch.answers, reduction="none") * mask
    alone = alone.sum(1) / mask.sum(1).clamp(min=1)
    every = logits.masked_fill(~mask, -1e4).logsumexp(1)
    marked = logits.masked_fill(~mask | (batch.answers < 0.5), -1e4).logsumexp(1)
    has = (batch.answers > 0.5).any(1) & ((batch.answers < 0.5) & mask).any(1)
    return alone + torch.where(has, every - marked, torch.zeros_like(every))


def _weighted(each: Tensor, weight: Tensor) -> Tensor:
    return (each * weight).sum() / len(each)


def _halves(device: torch.device) -> Precision:
    """Products of bfloat16 where the processor has them: with two processes of one thread three times the tokens."""
    has = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return (lambda: torch.autocast(device.type, torch.bfloat16)) if has else nullcontext


def train(
    rank: int, workers: int, data: Path, out: Path, share: float, start: Path | None, seed: int = 0, passes: int = 1
) -> None:
    """One of ``workers`` processes that take every batch together, each its part of it. Every pass over the sets has
    a seed of its own: other windows, other edits and, of a large set, other rows.

    Two processes of one thread are a sixth faster than one process of two."""
    out.mkdir(parents=True, exist_ok=True)
    if workers > 1:
        torch.set_num_threads(1)
        dist.init_process_group(
            "gloo", init_method=f"file://{out.resolve() / 'meeting'}", rank=rank, world_size=workers
        )
    hub_logging.set_verbosity_error()  # it lists the layers of the encoder that a reader does without
    torch.manual_seed(seed)
    chance = random.Random(seed)
    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    marks = Marks(tokenizer)
    words = frozenset(tokenizer.get_vocab())
    samples = [sample for each in range(passes) for sample in mix(data, words, seed + each, share)]
    encoded = [one for one in (encode(tokenizer, marks, sample) for sample in samples) if one.spans]
    whole = sum(len(one.ids) for one in encoded)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reader = Reader(folder, precision=_halves(device))
    if start is not None:
        reader.load_state_dict(load(start))
    reader.to(device).train()
    reader.network.embeddings.requires_grad_(False)  # what words mean is known; an eighth of the time is saved
    reader.network.embeddings.token_type_embeddings.requires_grad_(True)
    body = [p for p in reader.network.parameters() if p.requires_grad]
    heads = [p for head in (reader.sentence, reader.passage, reader.relation) for p in head.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": body, "peak": _RATE}, {"params": heads, "peak": _HEAD_RATE}], lr=_RATE, weight_decay=_DECAY
    )
    seen, step, running, began = 0, 0, 0.0, time.monotonic()
    for group in batches(encoded, chance):
        done = seen / whole
        for part in optimiser.param_groups:
            part["lr"] = part["peak"] * min(done / _WARM_UP, (1 - done) / (1 - _WARM_UP)) + 1e-7
        own = group[rank::workers] or group
        batch = _on(collate(own), device)
        loss = loss_of(batch, *reader(**batch.inputs))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if workers > 1:
            _share_gradients(body + heads, workers)
        torch.nn.utils.clip_grad_norm_(body + heads, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        seen, step, running = seen + sum(len(one.ids) for one in group), step + 1, running + loss.item()
        if rank:
            continue
        if step % _LOG_EVERY == 0:
            _log(out, {"step": step, "share": round(seen / whole, 4), "loss": round(running / _LOG_EVERY, 4),
                       "seconds": round(time.monotonic() - began)})  # fmt: skip
            running = 0.0
        if step % _SAVE_EVERY == 0:
            _save(reader, out)
            if step % (4 * _SAVE_EVERY) == 0:
                _log(out, {"step": step, **judge(reader, tokenizer, marks, data)})
    if rank == 0:
        _save(reader, out)
        _log(out, {"step": step, **judge(reader, tokenizer, marks, data)})


def _share_gradients(parameters: list[nn.Parameter], workers: int) -> None:
    """Each gradient becomes the mean of all processes' ones. A head that saw nothing to learn from counts as 0."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
    dist.all_reduce(flat)
    flat /= workers
    at = 0
    for parameter in parameters:
        assert parameter.grad is not None
        parameter.grad.copy_(flat[at : at + parameter.numel()].view_as(parameter))
        at += parameter.numel()


def _on(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    moved = {name: getattr(batch, name).to(device) for name in ("has_answers", "answers", "sentence_mask", "answerable",
                                                                "relation", "weight")}  # fmt: skip
    inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
    return Batch(inputs=inputs, samples=batch.samples, n_tokens=batch.n_tokens, **moved)


def _save(reader: Reader, out: Path) -> None:
    torch.save(reader.state_dict(), out / "checkpoint.new")
    (out / "checkpoint.new").replace(out / "checkpoint.pt")


def _log(out: Path, entry: dict[str, float]) -> None:
    line = json.dumps(entry)
    print(line, flush=True)  # noqa: T201 - the recipe's own progress
    with (out / "log.jsonl").open("a") as log:
        log.write(line + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of every set; small for a trial of the recipe")
    parser.add_argument("--from", dest="start", type=Path, help="a checkpoint to go on from, or an export (*.onnx)")
    parser.add_argument("--passes", type=int, default=1, help="over the sets, each with a seed of its own")
    parser.add_argument("--seed", type=int, default=0, help="of the mix; another for a run that goes on from one")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each; one a core on a CPU")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "meeting").unlink(missing_ok=True)
    given = (options.workers, options.data, options.out, options.share, options.start, options.seed, options.passes)
    if options.workers > 1:
        processes.spawn(train, given, nprocs=options.workers)  # type: ignore[attr-defined, no-untyped-call]  # untyped in torch
    else:
        train(0, *given)
