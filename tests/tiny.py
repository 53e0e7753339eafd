"""Very small models with random weights, saved as their makers would: another encoder, a reranker, and an LLM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from index.encode import DEFAULT_MODEL, model_folder

DIM = 32


def _transformer(folder: Path, kind: str, **config: Any) -> Path:
    """A two-layer BERT with the default model's tokenizer."""
    import torch
    import transformers

    default = model_folder(DEFAULT_MODEL)
    assert default is not None
    tokenizer = transformers.AutoTokenizer.from_pretrained(default)
    torch.manual_seed(7)
    shape = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=DIM, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128, **config,
    )  # fmt: skip
    getattr(transformers, kind)(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_encoder(folder: Path, prompts: dict[str, str] | None = None) -> Path:
    """A sentence-transformers model of DIM dimensions that wants ``prompts``."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    transformer = Transformer(
        str(_transformer(folder.with_name(f"{folder.name}-body"), "BertModel")), max_seq_length=64
    )
    SentenceTransformer(modules=[transformer, Pooling(DIM), Normalize()], prompts=prompts).save(str(folder))
    return folder


def make_cross_encoder(folder: Path, n_scores: int = 1, labels: Sequence[str] = ()) -> Path:
    named = (
        {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}} if labels else {}
    )
    return _transformer(folder, "BertForSequenceClassification", num_labels=len(labels) or n_scores, **named)


def make_causal_lm(folder: Path) -> Path:
    """A Llama of two layers that babbles, with the default model's words and a chat template."""
    import torch
    import transformers

    default = model_folder(DEFAULT_MODEL)
    assert default is not None
    words = transformers.AutoTokenizer.from_pretrained(default)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer,
        model_input_names=["input_ids", "attention_mask"],  # a Llama has no token types
        pad_token="[PAD]", eos_token="[SEP]", unk_token="[UNK]",
    )  # fmt: skip
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}assistant:"
    torch.manual_seed(7)
    shape = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=DIM, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=8192, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    transformers.LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
