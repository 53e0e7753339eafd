"""The network: MiniLM reads query and sentences together; three small heads say what it found.

    [CLS] query [SEP] title. sentence sentence ... [SEP]

A token's type says whose it is, and whether the other side has the same word (rag/marks): a network this small, with
so few pairs to learn from, need not find out by itself what a program can tell it.

sentence logits: does this sentence answer the question (or bear on the claim), from the mean of its tokens' vectors.
passage logit: do the sentences together answer it, from [CLS]. relation logits: entailment, neutral, contradiction of a
claim, from [CLS].
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from rag.marks import N_TYPES

RELATIONS = ("entailment", "neutral", "contradiction")
Precision = Callable[[], AbstractContextManager[Any]]
"""Gives the context that the network below the heads runs in."""


def _head(dim: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, out))


class Reader(nn.Module):
    """Forward returns (sentence logits (n, n_sentences), passage logits (n,), relation logits (n, 3)), float32."""

    def __init__(self, start: Path, precision: Precision = nullcontext) -> None:
        super().__init__()
        self.precision = precision
        # Dropping attention out costs a sixth of the time on a CPU; what is left of it drops enough for a few passes.
        self.network: Any = AutoModel.from_pretrained(
            start,
            attn_implementation="eager",  # it exports, and is faster than the fused kernel on a CPU
            add_pooling_layer=False,
            attention_probs_dropout_prob=0.0,
        )
        dim = int(self.network.config.hidden_size)
        old = self.network.embeddings.token_type_embeddings
        types = nn.Embedding(N_TYPES, dim)
        with torch.no_grad():  # a matched token begins as one that is not
            types.weight.copy_(old.weight[torch.tensor([0, 1, 1, 0])])
        self.network.embeddings.token_type_embeddings = types
        self.sentence, self.passage, self.relation = _head(dim, 1), _head(dim, 1), _head(dim, len(RELATIONS))

    def forward(
        self, input_ids: Tensor, token_type_ids: Tensor, pool: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``pool`` is (n, n_sentences, n_tokens): each row 1/length over a sentence's tokens, 0 elsewhere. Without a
        mask every token counts."""
        with self.precision():
            tokens = self.network(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state.float()  # (n, n_tokens, dim)
        first = tokens[:, 0]
        return (
            self.sentence(torch.matmul(pool, tokens)).squeeze(-1),
            self.passage(first).squeeze(-1),
            self.relation(first),
        )
