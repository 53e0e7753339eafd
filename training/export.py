"""Turn a checkpoint, or the mean of several, into what ships: python -m training.export CHECKPOINT... TARGET

TARGET gets reader.onnx (int8, embeddings included), tokenizer.json and reader.json: format, hashes and window. A test
(tests/training/test_recipe.py) compares the export with its checkpoint.
"""

from __future__ import annotations

import argparse
import json
import shutil
import warnings
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import torch

from index.encode import DEFAULT_MODEL, model_folder
from index.graph import sign_weights
from training.batches import MAX_TOKENS
from training.checkpoints import mean
from training.model import Reader

_OPSET = 17
_NAMES = ["input_ids", "token_type_ids", "pool"]  # without a mask: a passage is read by itself, and not padded


def export(checkpoints: Sequence[Path], target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    reader = Reader(folder)
    reader.load_state_dict(mean(checkpoints))
    reader.eval()
    target.mkdir(parents=True, exist_ok=True)
    ones = torch.ones(2, 16, dtype=torch.long)
    torch.onnx.export(
        reader,
        (ones, torch.zeros_like(ones), torch.full((2, 3, 16), 1 / 16)),
        str(target / "float.onnx"),
        dynamo=False,
        opset_version=_OPSET,
        input_names=_NAMES,
        output_names=["sentence", "passage", "relation"],
        dynamic_axes={
            **{name: {0: "n", 1: "n_tokens"} for name in _NAMES[:2]},
            "pool": {0: "n", 1: "n_sentences", 2: "n_tokens"},
            "sentence": {0: "n", 1: "n_sentences"},
            "passage": {0: "n"},
            "relation": {0: "n"},
        },
    )
    quant_pre_process(str(target / "float.onnx"), str(target / "prepared.onnx"), skip_symbolic_shape=True)
    quantize_dynamic(
        str(target / "prepared.onnx"),
        str(target / "reader.onnx"),
        per_channel=True,
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
    )
    sign_weights(target / "reader.onnx")
    (target / "float.onnx").unlink()
    (target / "prepared.onnx").unlink()
    shutil.copyfile(folder / "tokenizer.json", target / "tokenizer.json")
    card = {
        "format": 1,
        "sha256": sha256((target / "reader.onnx").read_bytes()).hexdigest(),
        "tokenizer_sha256": sha256((target / "tokenizer.json").read_bytes()).hexdigest(),
        "max_tokens": MAX_TOKENS,
    }
    (target / "reader.json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help="or an export (*.onnx)")
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # torch's tracer warns of branches that the dynamic axes make moot
    export(options.checkpoints, options.target)
