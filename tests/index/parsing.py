"""What every test of a parser uses: the invariants of a Parsed, and its segments in a form that can be read."""

from __future__ import annotations

import pytest

from index.errors import SkipFile
from index.parse import Limits, parse
from index.types import Parsed


def check(parsed: Parsed) -> Parsed:
    """Segments are in order, disjoint, stripped and not empty; what lies outside of them is white space."""
    end = 0
    for segment in parsed.segments:
        quote = parsed.text[segment.start : segment.end]
        assert end <= segment.start < segment.end <= len(parsed.text)
        assert quote == quote.strip() != ""
        assert not parsed.text[end : segment.start].strip()
        end = segment.end
    assert not parsed.text[end:].strip()
    for text in (parsed.text, parsed.title, *parsed.warnings):
        assert not any(char in "\0\r" or "\ud800" <= char <= "\udfff" for char in text)
    return parsed


def read(content: str | bytes, suffix: str, limits: Limits | None = None) -> Parsed:
    data = content.encode() if isinstance(content, str) else content
    return check(parse(data, suffix, limits or Limits()))


def shown(parsed: Parsed) -> list[tuple[str, str]]:
    """Kind and text of each segment."""
    return [(segment.kind, parsed.text[segment.start : segment.end]) for segment in parsed.segments]


def path_of(parsed: Parsed, words: str) -> tuple[str, ...]:
    """Heading path of the segment that holds these words."""
    return next(s.place.heading_path for s in parsed.segments if words in parsed.text[s.start : s.end])


def skip_reason(content: str | bytes, suffix: str, limits: Limits | None = None) -> str:
    """Why the file is skipped; fails when it is read."""
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(SkipFile) as caught:
        parse(data, suffix, limits or Limits())
    assert "\n" not in caught.value.detail
    return caught.value.reason
