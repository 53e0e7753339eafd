"""The only door to onnxruntime at run time: a network in a file, checked against its hash and run on one thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from tokenizers import Tokenizer

# A sum and a norm fused into one operator take nine times what they take apart: its kernel is not vectorised
# (onnxruntime 1.32; 192 tokens in 18.4 instead of 20.4 ms).
_SLOWER = ["SkipLayerNormFusion"]


class Damaged(ValueError):
    """The file is not the one whose hash is known."""


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in ``path``, without the truncation and padding that such files often ask for."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def special_token(tokenizer: Tokenizer, token: str) -> int:
    """Its id. Raises Damaged when the tokenizer has no such token."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise Damaged(f"the tokenizer has no {token}")
    return found


VNNI = ("avx512_vnni", "avx_vnni")  # multiplies unsigned by signed bytes without saturating
BFLOAT16 = ("avx512_bf16", "amx_bf16")  # multiplies bfloat16


@cache
def processor_has(features: tuple[str, ...], cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has one of ``features``, as Linux calls them; False where nothing tells."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text("utf-8"), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and not set(features).isdisjoint(flags[1].split())


class Network:
    """Safe to call from threads, which are the parallelism: each call takes one core."""

    def __init__(self, path: Path, expected_sha256: str) -> None:
        """Raises Damaged when the file's hash is not ``expected_sha256``."""
        import onnxruntime

        model = path.read_bytes()
        if sha256(model).hexdigest() != expected_sha256:
            raise Damaged(path.name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Quantised weights are signed (index.graph). Without VNNI, products of unsigned and signed bytes saturate at
        # 16 bits; this makes onnxruntime shift the weights, and products of unsigned bytes are the same numbers and do
        # not. It does so wherever it is told, so it is told only where it must.
        if not processor_has(VNNI):
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
        )
        self._inputs = {item.name for item in self._session.get_inputs()}

    def run(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's outputs; of ``feed`` it gets what it knows."""
        return list(self._session.run(None, {key: feed[key] for key in self._inputs}))

    run_question = run  # a second thread for one text spins for three times the time that it saves
