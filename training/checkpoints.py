"""Weights of a reader: from a checkpoint, back out of an export, or the mean of several.

A run can go on from the reader that ships, whose checkpoint is not kept: half a step of int8 is lost in each weight.
The mean of two readers, of which one began as the other, often does better than either on texts unlike those it was
trained on (https://arxiv.org/abs/2109.01903).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

_TABLE, _PRODUCT = "_quantized", "MatMulInteger"


def load(path: Path) -> dict[str, Tensor]:
    """The state that ``training.model.Reader`` loads, float32, from a checkpoint, or a file *.onnx of an export."""
    if path.suffix == ".onnx":
        return _exported(path)
    found: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return found


def mean(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Each weight's mean over what ``load`` finds."""
    states = [load(path) for path in paths]
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}


def _exported(path: Path) -> dict[str, Tensor]:
    graph = onnx.load(str(path)).graph
    constants = {constant.name: constant for constant in graph.initializer}

    def values(name: str) -> np.ndarray:
        return np.array(numpy_helper.to_array(constants[name]), dtype=np.float32)

    def opened(name: str) -> Tensor:
        """Of a quantised table, or of a quantised matrix (inner, columns) with a scale for each column."""
        stem = name.removesuffix(_TABLE)
        return torch.from_numpy((values(name) - values(f"{stem}_zero_point")) * values(f"{stem}_scale"))

    found = {
        name.removesuffix(_TABLE): opened(name)
        for name in constants
        if name.endswith(f".weight{_TABLE}")  # embeddings keep the names that torch gave them
    }
    for node in graph.node:
        if node.op_type == _PRODUCT:
            found[_layer(node.name) + ".weight"] = opened(node.input[1]).T.contiguous()
    for name, constant in constants.items():
        if name.endswith((".bias", "LayerNorm.weight")) and constant.data_type == onnx.TensorProto.FLOAT:
            found[name] = torch.from_numpy(values(name))
    return found


def _layer(node: str) -> str:
    """Of "/network/encoder/layer.0/attention/self/key/MatMul_quant": network.encoder.layer.0.attention.self.key.
    Of "/passage/passage.0/Gemm_MatMul_quant": passage.0."""
    *path, _ = node.strip("/").split("/")
    if len(path) > 1 and path[-1].startswith(f"{path[-2]}."):
        path.pop(-2)
    return ".".join(path)
