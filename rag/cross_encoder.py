"""The only door to sentence-transformers' CrossEncoder: a model that reads two texts together, loaded by name."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any

from index.errors import FootnoteError


def load(name: str, *, what: str, error: type[FootnoteError], remedy: str) -> Any:
    """The model in a folder, or of a hub name already in the local cache. Takes seconds: it imports torch.

    Raises ``error`` when there is no such model, which says ``what`` it was to be."""
    # A folder or a cached model needs no hub; without this the library asks it all the same.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(name, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as why:
        raise error(f"The {what} {name!r} cannot be loaded ({str(why).splitlines()[0]}).", remedy=remedy) from why


def fingerprint_of(model: Any) -> str:
    """SHA-256 of the model's weights."""
    digest = sha256(b"cross-encoder-1")
    for key, tensor in sorted(model.model.state_dict().items()):
        digest.update(key.encode() + tensor.cpu().float().numpy().tobytes())
    return digest.hexdigest()
