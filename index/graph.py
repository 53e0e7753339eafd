"""Rewrites of an exported network's graph, each in a file: fewer and larger products, and weights in int8."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


def merge_products(path: Path) -> None:
    """Products of one input with several weights, each with a bias, as one product that is split afterwards, such as
    attention's queries, keys and values. Every number stays the same; a question takes a tenth less time."""
    model = onnx.load(str(path))
    constants = _constants(model)
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    instead: dict[str, list[NodeProto]] = {}  # by the first output of the nodes they stand for
    gone: set[str] = set()  # outputs of those nodes
    for source, nodes in readers.items():
        products = [node for node in nodes if node.op_type == "MatMul" and node.input[1] in constants]
        sums = [found for product in products if (found := _biased(readers[product.output[0]], constants))]
        if len(products) < 2 or len(sums) < len(products):
            continue
        merged = f"{source}:merged"
        arrays = {
            "weights": np.concatenate([numpy_helper.to_array(constants[product.input[1]]) for product in products], 1),
            "biases": np.concatenate([bias for _, bias in sums]),
            "widths": np.array([len(bias) for _, bias in sums], np.int64),
        }
        model.graph.initializer.extend(numpy_helper.from_array(of, f"{merged}:{name}") for name, of in arrays.items())
        outputs = [output for output, _ in sums]
        instead[products[0].output[0]] = [
            helper.make_node("MatMul", [source, f"{merged}:weights"], [f"{merged}:product"], f"{merged}/MatMul"),
            helper.make_node("Add", [f"{merged}:product", f"{merged}:biases"], [f"{merged}:sum"], f"{merged}/Add"),
            helper.make_node("Split", [f"{merged}:sum", f"{merged}:widths"], outputs, f"{merged}/Split", axis=-1),
        ]
        gone.update(outputs, (product.output[0] for product in products))
    kept = [instead.get(node.output[0], [] if node.output[0] in gone else [node]) for node in model.graph.node]
    _replace(model, [node for nodes in kept for node in nodes])
    onnx.save(model, str(path))


def _biased(readers: list[NodeProto], constants: dict[str, TensorProto]) -> tuple[str, np.ndarray] | None:
    """Of the sum with a constant that alone reads a product: its output, and the constant, (width,)."""
    if len(readers) != 1 or readers[0].op_type != "Add":
        return None
    biases = [numpy_helper.to_array(constants[name]) for name in readers[0].input if name in constants]
    return (readers[0].output[0], biases[0]) if len(biases) == 1 and biases[0].ndim == 1 else None


def _replace(model: ModelProto, nodes: list[NodeProto]) -> None:
    """Give the graph these nodes, and leave it no constant that none of them reads."""
    read = {name for node in nodes for name in node.input}
    constants = [constant for constant in model.graph.initializer if constant.name in read]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)


def _constants(model: ModelProto) -> dict[str, TensorProto]:
    return {constant.name: constant for constant in model.graph.initializer}


def sign_weights(path: Path) -> None:
    """Shift the quantised weights in the file from 0..255 to -128..127, and their zero points with them.

    Every product stays the same integer, and processors with VNNI multiply an unsigned by a signed byte almost twice
    as fast as two unsigned ones. Where there is no VNNI, onnxruntime shifts them back (index.network asks it to)."""
    model = onnx.load(str(path))
    constants = _constants(model)
    products = [node for node in model.graph.node if node.op_type == "MatMulInteger"]
    for name in {name for node in products for name in (node.input[1], node.input[3])}:
        if constants[name].data_type == TensorProto.UINT8:
            shifted = (numpy_helper.to_array(constants[name]) ^ np.uint8(128)).view(np.int8)
            constants[name].CopyFrom(numpy_helper.from_array(shifted, name))
    onnx.save(model, str(path))


def quantise_weights(source: Path, target: Path) -> None:
    """For OpenVINO, which quantises what goes into products: weights in int8, a scale per channel, that are turned into
    floats where the network uses them. OpenVINO sees that and multiplies bytes."""
    model = onnx.load(str(source))
    constants = _constants(model)
    products = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    opened = []
    for name in dict.fromkeys(node.input[1] for node in products):  # layers may share weights
        weights = numpy_helper.to_array(constants[name])  # (inner, columns) float32
        scales = (np.maximum(np.abs(weights).max(axis=0), 1e-12) / 127).astype(np.float32)  # (columns,)
        rounded = np.rint(weights / scales).astype(np.int8)
        constants[name].CopyFrom(numpy_helper.from_array(rounded, name))
        zeros = np.zeros(len(scales), np.int8)
        model.graph.initializer.extend(
            [numpy_helper.from_array(scales, f"{name}:scales"), numpy_helper.from_array(zeros, f"{name}:zeros")]
        )
        inputs = [name, f"{name}:scales", f"{name}:zeros"]
        opened.append(helper.make_node("DequantizeLinear", inputs, [f"{name}:floats"], axis=1))
    for node in products:
        node.input[1] = f"{node.input[1]}:floats"
    _replace(model, [*opened, *model.graph.node])
    onnx.save(model, str(target))
