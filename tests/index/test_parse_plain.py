"""Plain text is kept as it is; the segments say what its lines are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from index.parse import Limits
from index.parse.plain import segment

from .parsing import path_of, read, shown, skip_reason

NEWS = """\
Harbour town is moving its ‘oldest’ lighthouse inland, mayor tells reporters
-
The lighthouse of Port Ellery will be moved forty metres, according to the mayor.
-
Her office put the cost at “nine million” crowns.
Port Ellery will move its lighthouse away from the crumbling cliff before the winter, the mayor of the town said on \
Tuesday at a meeting.
“We have measured the cliff every month for twelve years,” she said. “It loses a metre a year.”
She said no families would have to leave.
Read the original article on Coast Weekly
Source link
"""


def test_a_news_article_with_one_paragraph_a_line() -> None:
    parsed = read(NEWS, ".txt")
    title = "Harbour town is moving its ‘oldest’ lighthouse inland, mayor tells reporters"
    assert parsed.text == NEWS
    assert parsed.title == title
    assert [(kind, text[:20]) for kind, text in shown(parsed)] == [
        ("heading", "Harbour town is movi"),
        ("furniture", "-"),
        ("item", "The lighthouse of Po"),
        ("furniture", "-"),
        ("item", "Her office put the c"),
        ("prose", "Port Ellery will mov"),
        ("prose", "“We have measured th"),
        ("prose", "She said no families"),
        ("furniture", "Read the original ar"),
        ("furniture", "Source link"),
    ]
    assert {s.place.heading_path for s in parsed.segments} == {(title,)}


def test_a_paragraph_wrapped_by_hand_is_one_segment() -> None:
    text = """\
The keeper climbs the stairs at dusk and lights the lamp. From there he
can see the harbour, the two islands and, on a clear day, the mountains
of the mainland.

In winter the lamp is lit at four. The oil is brought once a month, when
the sea allows it.
"""
    paragraphs = text.strip().split("\n\n")
    assert shown(read(text, ".txt")) == [("prose", paragraphs[0]), ("prose", paragraphs[1])]


def test_a_title_above_wrapped_text_is_told_by_its_early_break() -> None:
    parsed = read(
        "The lamp\nThe keeper climbs the stairs at dusk and lights the lamp, and then he\nreads until midnight.", ".txt"
    )
    assert parsed.title == "The lamp"
    assert [kind for kind, _ in shown(parsed)] == ["heading", "prose"]


def test_short_lines_are_not_wrapped_text() -> None:
    text = "Port Ellery Lighthouse\nCliff Road 1\n4711 Port Ellery\n"
    assert shown(read("Write to us.\n" + text, ".txt"))[1:] == [("prose", line) for line in text.strip().split("\n")]


def test_a_list_item_is_quoted_without_its_mark() -> None:
    parsed = read("You need:\n- oil, which is brought to the island\n  by boat\n* a match\n2) patience\n", ".txt")
    assert shown(parsed) == [
        ("prose", "You need:"),
        ("furniture", "-"),
        ("item", "oil, which is brought to the island\n  by boat"),
        ("furniture", "*"),
        ("item", "a match"),
        ("furniture", "2)"),
        ("item", "patience"),
    ]


def test_a_number_at_the_start_of_a_wrapped_line_is_no_list() -> None:
    text = "The keeper was born on the island and left it for the first time on the\n12. of May, to buy a new lamp."
    assert shown(read(text, ".txt")) == [("prose", text)]


def test_headings_underlined_in_capitals_and_by_chapter() -> None:
    parsed = read(
        "Manual\n\nLighting\n========\nTurn the key.\nOil\n---\nUse little.\n\nSAFETY FIRST\n\nNever run.\n\n"
        "Chapter 2\n\nThe end.\n\nGOODBYE",
        ".txt",
    )
    assert parsed.title == "Manual"
    assert path_of(parsed, "Turn the key") == ("Manual", "Lighting")
    assert path_of(parsed, "Use little") == ("Manual", "Lighting", "Oil")
    assert path_of(parsed, "Never run") == ("Manual", "Lighting", "Oil", "SAFETY FIRST")
    assert path_of(parsed, "The end") == ("Manual", "Lighting", "Oil", "Chapter 2")
    assert shown(parsed)[-1] == ("prose", "GOODBYE")
    assert read("Lighting\n====\nTurn the key.", ".txt").title == "Lighting"


def test_what_is_no_title() -> None:
    for text in ("The lamp is lit.\nIt burns.", "One line alone", "- a\n- b", "the lamp\nis lit", "Source link\n\nA."):
        assert read(text, ".txt").title == ""


def test_boilerplate_is_told_only_at_the_edges() -> None:
    middle = [f"Sentence number {n} of the report." for n in range(9)]
    parsed = read("\n".join([*middle, "Advertisement", *middle]), ".txt")
    assert ("prose", "Advertisement") in shown(parsed)


def test_reasons() -> None:
    assert skip_reason("", ".txt") == skip_reason(" \n\t", ".txt") == skip_reason("\ufeff\n", ".txt") == "empty"
    assert skip_reason("too long", ".txt", Limits(max_text_chars=7)) == "text_too_large"
    assert skip_reason("a\n" * 9, ".txt", Limits(max_segments=8)) == "parser_limit"
    assert skip_reason(b"%PDF-1.4", ".txt") == "type_mismatch"
    assert skip_reason(b"\x00\x01", ".text") == "binary"


_LINES = st.lists(
    st.one_of(
        st.text(max_size=120),
        st.sampled_from(["", "-", "---", "===", "- item", "1. item", "TITLE", "Chapter 2", "Source link", "  more"]),
        st.text("ab c.,", min_size=50, max_size=80),
    )
)


@given(_LINES)
def test_every_character_that_is_not_white_space_lies_in_one_segment(lines: list[str]) -> None:
    text = "\n".join(lines).replace("\r", "")
    _, segments = segment(text, Limits())
    seen = [0] * len(text)
    for found in segments:
        assert text[found.start : found.end] == text[found.start : found.end].strip() != ""
        for offset in range(found.start, found.end):
            seen[offset] += 1
    assert all(count == 1 or (count == 0 and char.isspace()) for count, char in zip(seen, text, strict=True))
    assert [s.start for s in segments] == sorted(s.start for s in segments)
