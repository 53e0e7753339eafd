"""Products of one input are merged, and every number stays the same."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from index.graph import merge_products
from index.network import Network

_ROWS, _INNER = 6, 32
_WIDTHS = {"queries": 32, "keys": 24, "values": 40}


def write(path: Path, *, without_bias: str = "", read_twice: str = "") -> None:
    """A network of three products of one input, each with a bias added on another side."""
    chance = np.random.default_rng(3)
    nodes, constants, outputs = [], [], []
    for i, (name, width) in enumerate(_WIDTHS.items()):
        constants += [
            numpy_helper.from_array(chance.standard_normal((_INNER, width)).astype(np.float32), f"{name}:weights"),
            numpy_helper.from_array(chance.standard_normal(width).astype(np.float32), f"{name}:bias"),
        ]
        nodes.append(helper.make_node("MatMul", ["text", f"{name}:weights"], [f"{name}:product"]))
        if name == without_bias:
            nodes.append(helper.make_node("Relu", [f"{name}:product"], [name]))
        else:
            sides = [f"{name}:product", f"{name}:bias"]
            nodes.append(helper.make_node("Add", sides[:: -1 if i % 2 else 1], [name]))
        if name == read_twice:
            nodes.append(helper.make_node("Relu", [f"{name}:product"], [f"{name}:again"]))
            outputs.append(helper.make_tensor_value_info(f"{name}:again", TensorProto.FLOAT, [_ROWS, width]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [_ROWS, width]))
    text = helper.make_tensor_value_info("text", TensorProto.FLOAT, [_ROWS, _INNER])
    graph = helper.make_graph(nodes, "products", [text], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def run(path: Path) -> list[NDArray[np.float32]]:
    text = np.random.default_rng(4).standard_normal((_ROWS, _INNER)).astype(np.float32)
    return Network(path, sha256(path.read_bytes()).hexdigest()).run({"text": text})


def products(path: Path) -> int:
    return sum(node.op_type == "MatMul" for node in onnx.load(str(path)).graph.node)


def test_products_of_one_input_become_one_and_their_weights_are_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    write(path)
    before, size = run(path), path.stat().st_size
    merge_products(path)
    assert products(path) == 1
    assert path.stat().st_size < size + 500
    for expected, found in zip(before, run(path), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("left", [{"without_bias": "keys"}, {"read_twice": "values"}])
def test_what_does_not_fit_is_left_as_it_is(tmp_path: Path, left: dict[str, str]) -> None:
    path = tmp_path / "network.onnx"
    write(path, **left)
    before = run(path)
    merge_products(path)
    assert products(path) == 3
    for expected, found in zip(before, run(path), strict=True):
        np.testing.assert_array_equal(found, expected)
