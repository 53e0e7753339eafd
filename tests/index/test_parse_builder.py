"""The builder carries offsets; the outline knows which headings are open."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import SkipFile
from index.parse import Limits
from index.parse.builder import Outline, TextBuilder
from index.types import Place, Segment, SegmentKind

from .parsing import check, shown


def test_items_and_rows_stand_close_and_blocks_apart() -> None:
    builder = TextBuilder(Limits())
    builder.add("Tools", "heading")
    builder.add(" saw ", "item")
    builder.add("axe", "item")
    builder.add("  \n ")
    builder.add("Keep\r\nthem\x00 dry.")
    parsed = check(builder.parsed("Tools\n of trade"))
    assert parsed.text == "Tools\n\nsaw\naxe\n\nKeep\nthem dry."
    assert parsed.title == "Tools of trade"


def test_text_without_a_letter_is_furniture() -> None:
    builder = TextBuilder(Limits())
    builder.add("* * *")
    builder.add("1")
    assert shown(builder.parsed()) == [("furniture", "* * *"), ("prose", "1")]


def test_a_segmented_text_keeps_its_segments() -> None:
    builder = TextBuilder(Limits())
    builder.add("Hi.")
    builder.add_segmented("- a", [Segment(0, 1, "furniture", Place()), Segment(2, 3, "item", Place())])
    builder.add_segmented("", [])
    assert shown(check(builder.parsed())) == [("prose", "Hi."), ("furniture", "-"), ("item", "a")]


def test_nothing_added_is_empty_and_says_why() -> None:
    builder = TextBuilder(Limits())
    builder.warn("the message has no text")
    with pytest.raises(SkipFile, match="the message has no text") as caught:
        builder.parsed()
    assert caught.value.reason == "empty"


def test_limits_hold_while_the_text_grows() -> None:
    builder = TextBuilder(Limits(max_text_chars=10, max_segments=2))
    builder.add("12345678")
    with pytest.raises(SkipFile) as too_long:
        builder.add("9")
    assert too_long.value.reason == "text_too_large"
    builder = TextBuilder(Limits(max_segments=1))
    builder.add("a")
    with pytest.raises(SkipFile) as too_many:
        builder.add("b")
    assert too_many.value.reason == "parser_limit"


def test_a_heading_closes_its_equals_and_those_below() -> None:
    outline = Outline(("Book",))
    assert outline.enter(1, "One") == ("Book", "One")
    assert outline.enter(3, "Deep\n down") == ("Book", "One", "Deep down")
    assert outline.enter(2, "Less deep") == ("Book", "One", "Less deep")
    assert outline.enter(1, "") == ("Book",)


@given(st.lists(st.tuples(st.text(), st.sampled_from(get_args(SegmentKind)))))
def test_whatever_is_added_the_text_is_its_segments_and_gaps(blocks: list[tuple[str, SegmentKind]]) -> None:
    builder = TextBuilder(Limits())
    for text, kind in blocks:
        builder.add(text, kind)
    if any(text.strip() and text.isprintable() for text, _ in blocks):
        parsed = check(builder.parsed())
        assert len(parsed.segments) <= len(blocks)
