"""How many operations an encoder needs for a token, and how many a second its runtime can do at most."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from index.network import Network

Kind = Literal["int8", "fp32"]
_MIN_RUNS = 3


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Of a transformer encoder."""

    layers: int
    hidden: int
    inner: int  # of the feed-forward part

    @property
    def weights_per_token(self) -> int:
        """Operations of the products with weights, a multiplication and an addition each: four of hidden by hidden
        for attention, two of hidden by inner. Embeddings, norms, softmax and biases are not counted."""
        return 2 * self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.inner)

    def attention_per_token(self, tokens: float) -> float:
        """Operations of the products of token vectors with each other, queries by keys and weights by values, which
        grow with the number of ``tokens`` in a passage and stay in float32."""
        return 2 * self.layers * 2 * tokens * self.hidden


def read_dimensions(model: Path) -> Dimensions:
    """Of the model in a folder. Raises ValueError when its config.json does not say."""
    config = json.loads((model / "config.json").read_text("utf-8"))
    try:
        return Dimensions(
            int(config["num_hidden_layers"]), int(config["hidden_size"]), int(config["intermediate_size"])
        )
    except KeyError as error:
        raise ValueError(f"config.json does not say {error}") from error


def write_product(path: Path, rows: int, inner: int, columns: int, kind: Kind) -> str:
    """A network that multiplies a matrix (rows, inner) by a constant one (inner, columns), as the encoder does: MatMul
    or, of unsigned by signed bytes, MatMulInteger. Returns the SHA-256 of the file."""
    chance = np.random.default_rng(0)
    if kind == "int8":
        weights, entry, out = (
            chance.integers(-128, 128, (inner, columns), np.int8),
            TensorProto.UINT8,
            TensorProto.INT32,
        )
        node = helper.make_node("MatMulInteger", ["input_ids", "weights", "middle", "zero"], ["product"])
        constants = [
            numpy_helper.from_array(np.asarray(128, dtype=np.uint8), "middle"),
            numpy_helper.from_array(np.asarray(0, dtype=np.int8), "zero"),
        ]
    else:
        weights = chance.standard_normal((inner, columns)).astype(np.float32)
        entry = out = TensorProto.FLOAT
        node = helper.make_node("MatMul", ["input_ids", "weights"], ["product"])
        constants = []
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("input_ids", entry, [rows, inner])],
        [helper.make_tensor_value_info("product", out, [rows, columns])],
        [numpy_helper.from_array(weights, "weights"), *constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    path.write_bytes(data)
    return sha256(data).hexdigest()


def product_rate(folder: Path, shape: tuple[int, int, int], kind: Kind, *, streams: int, seconds: float) -> float:
    """Operations a second of products of ``shape`` (rows, inner, columns) in ``streams`` sessions of one thread each,
    side by side, as passages are encoded."""
    rows, inner, columns = shape
    path = folder / f"{kind}-{rows}-{inner}-{columns}.onnx"
    digest = write_product(path, rows, inner, columns, kind)
    entry: Any = (
        np.random.default_rng(1).integers(0, 256, (rows, inner), np.uint8)
        if kind == "int8"
        else np.random.default_rng(1).standard_normal((rows, inner)).astype(np.float32)
    )
    networks = [Network(path, digest) for _ in range(streams)]
    runs = [partial(network.run, {"input_ids": entry}) for network in networks]
    return 2 * rows * inner * columns * _runs_per_second(runs, seconds)


def numpy_rate(shape: tuple[int, int, int], seconds: float) -> float:
    """The same of numpy in float32, on as many threads as its BLAS takes."""
    rows, inner, columns = shape
    chance = np.random.default_rng(0)
    left = chance.standard_normal((rows, inner)).astype(np.float32)
    right = chance.standard_normal((inner, columns)).astype(np.float32)
    return 2 * rows * inner * columns * _runs_per_second([lambda: left @ right], seconds)


def _runs_per_second(runs: Sequence[Callable[[], Any]], seconds: float) -> float:
    """How often a second ``runs`` are run together, each on a thread of its own."""

    def count(run: Callable[[], Any]) -> int:
        done = 0
        while done < _MIN_RUNS or time.perf_counter() < until:
            run()
            done += 1
        return done

    for run in runs:
        run()  # the first one makes room
    with ThreadPoolExecutor(len(runs)) as pool:
        began = time.perf_counter()
        until = began + seconds
        done = sum(pool.map(count, runs))
        return done / (time.perf_counter() - began)
