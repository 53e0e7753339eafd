"""Products of bytes are the same integers on every processor, whatever the weights' sign."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from index.graph import quantise_weights, sign_weights
from index.network import VNNI, Damaged, Network, processor_has

_ROWS, _INNER, _COLUMNS = 5, 96, 7


def write(path: Path, weights: NDArray[np.uint8], zeros: NDArray[np.uint8]) -> None:
    """A network that multiplies unsigned bytes by constant ones, each column with a zero point of its own."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["left", "weights", "middle", "zeros"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.UINT8, [_ROWS, _INNER])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [_ROWS, _COLUMNS])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.asarray(3, dtype=np.uint8), "middle"),
            numpy_helper.from_array(zeros, "zeros"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def product(path: Path, left: NDArray[np.uint8]) -> NDArray[np.int32]:
    (found,) = Network(path, sha256(path.read_bytes()).hexdigest()).run({"left": left})
    return np.asarray(found, dtype=np.int32)


@pytest.mark.parametrize("largest", [False, True], ids=["any", "largest"])
def test_weights_without_a_sign_and_with_one_give_the_same_integers(tmp_path: Path, largest: bool) -> None:
    """The largest pairs are those that 16 bits cannot hold; a processor without VNNI would cut them off."""
    chance = np.random.default_rng(7)
    left = np.full((_ROWS, _INNER), 255, np.uint8) if largest else chance.integers(0, 256, (_ROWS, _INNER), np.uint8)
    weights = chance.choice(np.asarray([0, 255], np.uint8), (_INNER, _COLUMNS))
    zeros = chance.integers(0, 256, _COLUMNS, np.uint8)
    expected = (left.astype(np.int64) - 3) @ (weights.astype(np.int64) - zeros)
    path = tmp_path / "product.onnx"
    write(path, weights, zeros)
    assert (product(path, left) == expected).all()
    sign_weights(path)
    kinds = {item.name: item.data_type for item in onnx.load(str(path)).graph.initializer}
    assert (kinds["weights"], kinds["zeros"]) == (TensorProto.INT8, TensorProto.INT8)
    assert (product(path, left) == expected).all()


@pytest.mark.parametrize(
    ("lines", "has"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n", True),
        ("flags\t\t: fpu avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd asimddp\n", False),
    ],
)
def test_what_the_processor_has_is_read_where_linux_tells(tmp_path: Path, lines: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(lines)
    assert processor_has(VNNI, tmp_path / "cpuinfo") is has
    assert not processor_has(VNNI, tmp_path / "nowhere")


def test_signing_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "product.onnx"
    write(path, np.ones((_INNER, _COLUMNS), np.uint8), np.zeros(_COLUMNS, np.uint8))
    sign_weights(path)
    once = path.read_bytes()
    sign_weights(path)
    assert path.read_bytes() == once


def test_another_file_than_the_one_known_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "product.onnx"
    write(path, np.ones((_INNER, _COLUMNS), np.uint8), np.zeros(_COLUMNS, np.uint8))
    with pytest.raises(Damaged):
        Network(path, "0" * 64)


def test_weights_that_two_products_share_are_quantised_once(tmp_path: Path) -> None:
    weights = np.random.default_rng(3).standard_normal((8, 8)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["left", "weights"], ["once"]),
            helper.make_node("MatMul", ["once", "weights"], ["product"]),
        ],
        "twice",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(weights, "weights")],
    )
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), str(source))
    quantise_weights(source, target)
    left = np.ones((1, 8), np.float32)
    found = ReferenceEvaluator(str(target)).run(None, {"left": left})[0]
    assert found == pytest.approx(left @ weights @ weights, abs=0.5)
