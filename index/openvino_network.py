"""The only door to OpenVINO, which is an extra: the same surface as index.network.Network, other kernels beneath.

Importing OpenVINO reports to a web analytics service, unless its package for that is missing: here it always is.

OpenVINO quantises the vectors that go into a product in groups of each token's, onnxruntime all of a text's with one
scale; so it is nearer to the reference. Which is faster depends on the processor (docs/performance.md)."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.network import BFLOAT16, Damaged, processor_has

# Of 64, 128, 192, 384 and 1,536 the fastest on a processor with AVX-512 VNNI; what it costs is in the export's parity.
_GROUP = 384
# Texts are padded to a multiple of so many tokens. OpenVINO compiles for each length that it meets, which takes 8 ms.
_STEP = 8
# Questions of up to so many tokens are padded to the next of these, and read by a network of that length alone, on all
# cores, in half the time; it is compiled when the first comes, in .3 s, and takes some 80 MB.
_SHORT = (24, 32)


def precision() -> str:
    """Of all but the products with weights, which are in int8: bf16 where the processor multiplies that, else f32. The
    one differs from the other by more than rounding, so that it is part of the encoder's fingerprint."""
    return "bf16" if processor_has(BFLOAT16) else "f32"


class OpenVinoNetwork:
    """Safe to call from threads, which are the parallelism: each has a request of its own, and takes one core."""

    def __init__(self, path: Path, expected_sha256: str) -> None:
        """Raises Damaged when the file's hash is not ``expected_sha256``, ImportError where OpenVINO is not."""
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # Python's mark of a missing module
        import openvino

        model = path.read_bytes()
        if sha256(model).hexdigest() != expected_sha256:
            raise Damaged(path.name)
        streams = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        core = openvino.Core()
        self._model = core.read_model(model)
        self._options = {
            "INFERENCE_NUM_THREADS": str(streams),
            "ENABLE_CPU_PINNING": "NO",  # parsing goes on beside it
            "INFERENCE_PRECISION_HINT": precision(),
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP),
        }
        self._compile = partial(core.compile_model, device_name="CPU")
        self._compiling = threading.Lock()
        every = self._compile(self._model, config={**self._options, "NUM_STREAMS": str(streams)})
        self._compiled = {0: every}  # by the length that it is for; 0 is for every one
        self._inputs = {name for item in self._model.inputs for name in item.names}
        self._own = threading.local()

    def run(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's outputs, (1, n_tokens, ...); of ``feed``, each (1, n_tokens), it gets what it knows."""
        return self._run(feed, 0)

    def run_question(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """As ``run``, for a text that somebody waits for: a short one takes all cores. Where many are read at once, as
        in a build, that would be slower."""
        n_tokens = next(iter(feed.values())).shape[1]
        return self._run(feed, next((short for short in _SHORT if n_tokens <= short), 0))

    def _run(self, feed: Mapping[str, NDArray[Any]], length: int) -> list[NDArray[Any]]:
        n_tokens = next(iter(feed.values())).shape[1]
        room = ((0, 0), (0, length - n_tokens if length else -n_tokens % _STEP))
        padded = {name: np.pad(row, room) for name, row in feed.items() if name in self._inputs}
        padded["attention_mask"] = np.pad(np.ones((1, n_tokens), dtype=np.int64), room)
        found = self._request(length).infer(padded, share_inputs=True)
        return [np.array(output[:, :n_tokens]) for output in found.values()]

    def _request(self, length: int) -> Any:
        """This thread's own, of the network for ``length``."""
        if not hasattr(self._own, "requests"):
            self._own.requests = {}
        if length not in self._own.requests:
            with self._compiling:
                if length not in self._compiled:
                    self._compiled[length] = self._compile_for(length)
            self._own.requests[length] = self._compiled[length].create_infer_request()
        return self._own.requests[length]

    def _compile_for(self, length: int) -> Any:
        model = self._model.clone()
        model.reshape({item.any_name: [1, length] for item in model.inputs})
        return self._compile(model, config={**self._options, "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY"})
