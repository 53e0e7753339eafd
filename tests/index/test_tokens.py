"""How many tokens a text costs an LLM, counted without a network."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.tokens import count_tokens, o200k


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("hello world", 2),
        ("antidisestablishmentarianism", 6),  # the cookbook's example for o200k_base
        ("お誕生日おめでとう", 8),  # and its second
        ("2 + 2 = 4", 7),
    ],
)
def test_known_counts(text: str, count: int) -> None:
    assert count_tokens(text) == count


def test_tokens_are_those_of_o200k() -> None:
    assert o200k().encode_ordinary("hello world") == [24912, 2375]


def test_a_special_token_in_a_document_is_ordinary_text() -> None:
    assert count_tokens("<|endoftext|>") > 1
    assert o200k().decode(o200k().encode_ordinary("a<|endoftext|>b")) == "a<|endoftext|>b"


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands where the package's own ranks lie; the good ones are read again afterwards."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("index.tokens.resources.files", lambda _: tmp_path)
    o200k.cache_clear()
    yield tmp_path / "data" / "o200k_base.tiktoken.xz"
    o200k.cache_clear()


@pytest.mark.parametrize(
    "content",
    [b"", b"not xz at all", lzma.compress(b"aGVsbG8= 0\n"), lzma.compress(b"aGVsbG8= 0\n")[:-9]],
    ids=["empty", "junk", "other ranks", "cut short"],
)
def test_damaged_ranks_are_refused(packed: Path, content: bytes) -> None:
    packed.write_bytes(content)
    with pytest.raises(ValueError, match="reinstall footnote"):
        count_tokens("hello")
