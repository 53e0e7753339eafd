"""The only door to sentence-transformers' CrossEncoder: a model that reads two texts together, loaded by name."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any


def load(name: str) -> Any:
    """A folder, or a hub name already in the local cache. Takes seconds: it imports torch.

    Raises OSError or ValueError when there is no such model."""
    # A folder or a cached model needs no hub; without this the library asks it all the same.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from sentence_transformers import CrossEncoder

    return CrossEncoder(name, local_files_only=True, trust_remote_code=False)


def fingerprint_of(model: Any) -> str:
    """SHA-256 of the model's weights."""
    digest = sha256(b"cross-encoder-1")
    for key, tensor in sorted(model.model.state_dict().items()):
        digest.update(key.encode() + tensor.cpu().float().numpy().tobytes())
    return digest.hexdigest()
