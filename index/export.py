"""Turn a sentence-transformers model into an int8 ONNX file: python -m index.export MODEL_FOLDER TARGET_FOLDER RUNTIME

The result is compared with the reference on index/data/probe.txt and the outcome is kept with it (encoder.json): mean
and least cosine of the vectors, and how many of each text's ten nearest neighbours are the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np

from index.encode import (
    EXPORT_VERSION,
    MIN_PARITY_COSINE,
    MIN_PARITY_OVERLAP,
    OnnxEncoder,
    Runtime,
    fingerprint_of,
)
from index.files import fsync
from index.graph import merge_products, quantise_weights, sign_weights
from index.types import Matrix

_OPSET = 17
_NEIGHBOURS = 10
_ABANDONED_S = 3_600
_OURS = re.compile(r"\.[0-9a-f]{16}-[a-z0-9_]{8}")  # an export's name, and what tempfile adds


def reference_model(name: str) -> Any:
    """The model in sentence-transformers, on the CPU unless it finds a GPU. Takes seconds to import."""
    # A folder or a cached model needs no hub; without this the library asks it all the same.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from sentence_transformers import SentenceTransformer

    from index.errors import EncoderError

    try:
        return SentenceTransformer(name, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise EncoderError(
            f"The encoder {name!r} cannot be loaded ({reason}).",
            remedy="Name a folder that holds a sentence-transformers model, or leave FOOTNOTE_ENCODER unset.",
        ) from error


def export(folder: Path, target: Path, runtime: Runtime = "onnxruntime") -> None:
    """Write model.onnx, tokenizer.json and encoder.json into ``target``, whole or not at all, for ``runtime``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        model = reference_model(str(folder))
        _write_onnx(model, work, masked=runtime == "openvino")
        (quantise_weights if runtime == "openvino" else _quantise)(work / "prepared.onnx", work / "model.onnx")
        (work / "prepared.onnx").unlink()
        shutil.copyfile(folder / "tokenizer.json", work / "tokenizer.json")
        data = (work / "model.onnx").read_bytes()
        fingerprint = fingerprint_of(folder, runtime)
        card: dict[str, Any] = {
            "runtime": runtime,
            "export_version": EXPORT_VERSION,
            "fingerprint": fingerprint,
            "dim": int(model.get_embedding_dimension()),
            "window": int(model.max_seq_length) - 2,
            "model_sha256": sha256(data).hexdigest(),
        }
        card["parity"] = parity(model, OnnxEncoder("", fingerprint, work, card))
        (work / "encoder.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
        for path in (*work.iterdir(), work):
            fsync(path)
        if target.exists() and not (target / "encoder.json").is_file():
            shutil.rmtree(target)  # what a machine that lost its power left of one
        try:
            work.rename(target)
        except OSError:  # another process was faster; its export is as good
            if not (target / "encoder.json").is_file():
                raise
        fsync(target.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Remove what exports have left that were killed. One under way is younger: it takes seconds."""
    for left in cache.glob(".*-*"):
        with suppress(OSError):  # another process sweeps too
            if _OURS.fullmatch(left.name) and time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def _write_onnx(model: Any, work: Path, *, masked: bool) -> None:
    """prepared.onnx: the network in float32, from tokens to their vectors.

    Texts are encoded one at a time. Where none is padded there is no mask: adding its zeros to the scores of heads
    takes a thirtieth of the time."""
    import torch
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # Eager attention: the fused kernel does not export.
    network = model[0].auto_model.eval().cpu().float()
    network.set_attn_implementation("eager")

    class TokenVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, token_type_ids: Any, attention_mask: Any = None) -> Any:
            out = self.network(input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask)
            return out.last_hidden_state  # (n, n_tokens, dim)

    ones = torch.ones(2, 16, dtype=torch.long)
    inputs = {"input_ids": ones, "token_type_ids": torch.zeros_like(ones)} | (
        {"attention_mask": ones} if masked else {}
    )
    torch.onnx.export(
        TokenVectors(),
        tuple(inputs.values()),
        str(work / "float.onnx"),
        dynamo=False,
        opset_version=_OPSET,
        input_names=list(inputs),
        output_names=["tokens"],
        dynamic_axes={name: {0: "n", 1: "n_tokens"} for name in [*inputs, "tokens"]},
    )
    quant_pre_process(str(work / "float.onnx"), str(work / "prepared.onnx"), skip_symbolic_shape=True)
    (work / "float.onnx").unlink()
    merge_products(work / "prepared.onnx")


def _quantise(source: Path, target: Path) -> None:
    """For onnxruntime: products of bytes, what goes into them quantised by the network itself."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source),
        str(target),
        per_channel=True,  # per tensor loses quality: top-10 overlap .87 against .94
        weight_type=QuantType.QUInt8,  # with a zero point of its own a channel keeps more than signed ones do
        op_types_to_quantize=["MatMul", "Gemm"],
    )
    sign_weights(target)


def parity(model: Any, exported: OnnxEncoder) -> dict[str, Any]:
    """How close the export is to the reference on the probe sentences."""
    probe = resources.files("index").joinpath("data/probe.txt").read_text("utf-8").splitlines()
    reference = np.asarray(model.encode(probe, normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)
    ours = np.stack([exported.encode_query(line) for line in probe])
    cosines = (reference * ours).sum(axis=1)
    overlap = float(
        np.mean([len(a & b) / _NEIGHBOURS for a, b in zip(_nearest(reference), _nearest(ours), strict=True)])
    )
    return {
        "texts": len(probe),
        "cosine_mean": round(float(cosines.mean()), 5),
        "cosine_min": round(float(cosines.min()), 5),
        "top10_overlap": round(overlap, 5),
        "passed": bool(cosines.mean() >= MIN_PARITY_COSINE and overlap >= MIN_PARITY_OVERLAP),
    }


def _nearest(vectors: Matrix) -> list[set[int]]:
    scores = vectors @ vectors.T  # (n, n)
    np.fill_diagonal(scores, -2.0)  # a text is no neighbour of itself
    return [set(row.tolist()) for row in np.argsort(-scores, axis=1)[:, :_NEIGHBOURS]]


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # torch's tracer warns of branches that the dynamic axes make moot
    export(Path(sys.argv[1]), Path(sys.argv[2]), cast(Runtime, sys.argv[3]))
