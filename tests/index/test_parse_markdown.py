"""Markdown is read as it is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from index.errors import SkipFile

from .parsing import path_of, read, shown, skip_reason


def test_words_without_the_marks() -> None:
    parsed = read(
        "# The *lamp*\n\nSee [the manual](http://x.example/a) or\nrun `lit --all`. ![A tower](t.png)\n\n"
        "## Parts\n\n1. wick\n2. **oil**\n   - colza\n\n> Keep dry.\n\n```\nport = 1\n```\n\n---\n",
        ".md",
    )
    assert shown(parsed) == [
        ("heading", "The lamp"),
        ("prose", "See the manual or run lit --all. A tower"),
        ("heading", "Parts"),
        ("item", "wick"),
        ("item", "oil"),
        ("item", "colza"),
        ("prose", "Keep dry."),
        ("prose", "port = 1"),
    ]
    assert parsed.title == "The lamp"
    assert path_of(parsed, "wick") == ("The lamp", "Parts")


def test_a_table_becomes_rows_that_stand_alone() -> None:
    parsed = read("| Part | Price |\n|---|--:|\n| [wick](x) | 3 |\n| oil | |\n", ".markdown")
    assert shown(parsed) == [("row", "Part: wick; Price: 3."), ("row", "Part: oil.")]


def test_front_matter_gives_a_title_and_is_not_quoted() -> None:
    parsed = read("---\ntitle: 'Keeping'\ntags: [a]\n---\n## Oil\ntext\n", ".md")
    assert parsed.title == "Keeping"
    assert shown(parsed)[0] == ("furniture", "title: 'Keeping'\ntags: [a]")


def test_html_inside_is_read_as_html() -> None:
    parsed = read(
        '# A\n\n<div><b>Note</b> this<script>x()</script></div>\n\none<br>two <img src="x" alt="no">\n', ".md"
    )
    assert shown(parsed)[1:] == [("prose", "Note this"), ("prose", "one\ntwo")]
    assert path_of(parsed, "Note this") == ("A",)


def test_images_and_links_leave_no_address_behind() -> None:
    parsed = read("![pic](http://evil.example/?q=1) [a][r] <http://auto.example/>\n\n[r]: http://ref.example\n", ".md")
    assert parsed.text == "pic a http://auto.example/"


def test_nesting_beyond_reason_is_refused_not_cut() -> None:
    assert skip_reason("> " * 500 + "deep", ".md") == "parser_limit"
    assert ("item", "nine") in shown(
        read("".join(" " * 2 * n + "- a\n" for n in range(9)) + " " * 18 + "- nine", ".md")
    )


@given(st.text(st.sampled_from("ab #-*_[]()`>|\n1.<!&~"), max_size=200))
def test_any_marks_can_be_read(text: str) -> None:
    try:
        read(text, ".md")
    except SkipFile as skipped:
        assert skipped.reason == "empty"


@given(st.lists(st.text("abcdefg", min_size=1), min_size=1))
def test_no_word_is_lost(words: list[str]) -> None:
    assert read("\n\n".join(words), ".md").text.split() == words
