"""The only door to tiktoken: how many tokens a text costs an LLM.

Passages are bounded in the encoder's own tokens (index.encode); these counts serve what is sent to an LLM, where the
two differ by up to a quarter on single passages. The ranks of o200k_base lie beside this file, compressed, because
tiktoken would otherwise fetch them on first use and fail on a machine without a network.
"""

from __future__ import annotations

import base64
import hashlib
import lzma
from functools import cache
from importlib import resources

import tiktoken

# tiktoken.registry's own checksum of o200k_base.tiktoken
_O200K_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
# The split pattern and special tokens as tiktoken_ext.openai_public defines them for o200k_base.
_WORD_ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _WORD_ENDS,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _WORD_ENDS,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
_O200K_SPECIAL = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}


@cache
def o200k() -> tiktoken.Encoding:
    """The o200k_base encoding, built on first use (about half a second). Raises ValueError when the file is damaged."""
    packed = resources.files("index").joinpath("data/o200k_base.tiktoken.xz").read_bytes()
    try:
        ranks = lzma.decompress(packed)
    except lzma.LZMAError as error:
        raise ValueError(f"index/data/o200k_base.tiktoken.xz is damaged ({error}); reinstall footnote") from error
    if hashlib.sha256(ranks).hexdigest() != _O200K_SHA256:
        raise ValueError("index/data/o200k_base.tiktoken.xz does not have the expected SHA-256; reinstall footnote")
    pairs = (line.split() for line in ranks.splitlines() if line)
    return tiktoken.Encoding(
        "o200k_base",
        pat_str=_O200K_PATTERN,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in pairs},
        special_tokens=_O200K_SPECIAL,
    )


def count_tokens(text: str) -> int:
    """Number of o200k_base tokens of ``text``. A document's "<|endoftext|>" is ordinary text here.

    >>> count_tokens("hello world")
    2
    """
    return len(o200k().encode_ordinary(text))
