"""Markdown as a reader sees it: the words without the marks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.token import Token

from index.errors import SkipFile
from index.parse.builder import Outline, TextBuilder
from index.parse.decode import decode
from index.parse.limits import Limits
from index.parse.plain import segment
from index.parse.rows import add_table
from index.types import Parsed, Place

_MAX_OPEN = 1_000  # brackets of one block that are never closed
_MAX_NESTING = 100  # a list within a list counts two
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of a Markdown file; the title is its opening level-one heading, else the front matter's."""
    text, warnings = decode(data)
    builder = TextBuilder(limits)
    for warning in warnings:
        builder.warn(warning)
    title = ""
    if front := _FRONT_MATTER.match(text):
        text = text[front.end() :]
        if named := _FRONT_TITLE.search(front[1]):
            title = named[1].strip().strip("\"'")
        builder.add(front[1], "furniture")
    if any(block.count("[") - block.count("]") > _MAX_OPEN for block in text.split("\n\n")):
        # markdown-it looks for the end of each link from the start of each: minutes for a megabyte of brackets.
        builder.warn("read as plain text: too many brackets are left open")
        opening, segments = segment(text, limits)
        builder.add_segmented(text, segments)
        return builder.parsed(title or opening)
    reader = MarkdownIt("commonmark", {"html": True, "maxNesting": _MAX_NESTING})
    tokens = reader.enable(["table", "strikethrough"]).parse(text)
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        # markdown-it stops there without a word.
        raise SkipFile("parser_limit", f"lists or quotes are nested more than {_MAX_NESTING} deep")
    heading = _add_blocks(builder, tokens)
    return builder.parsed(heading or title)


def _add_blocks(builder: TextBuilder, tokens: list[Token]) -> str:
    """Append every block; the document's title if it opens with a level-one heading."""
    outline, title, first = Outline(), "", True
    lists = header_rows = 0
    rows: list[list[str]] = []
    opened = ""
    for token in tokens:
        place = Place(outline.path)
        match token.type:
            case "heading_open":
                opened = token.tag
            case "inline" if opened:
                heading = _words(token.children or ())
                if first and opened == "h1":
                    title = heading
                builder.add(heading, "heading", Place(outline.enter(int(opened[1]), heading)))
                opened, first = "", False
            case "bullet_list_open" | "ordered_list_open":
                lists += 1
            case "bullet_list_close" | "ordered_list_close":
                lists -= 1
            case "tr_open":
                rows.append([])
            case "thead_close":
                header_rows = len(rows)
            case "table_close":
                add_table(builder, rows, place, header_rows)
                rows = []
            case "inline" if rows:
                rows[-1].append(_words(token.children or ()))
            case "inline":
                builder.add(_words(token.children or ()), "item" if lists else "prose", place)
            case "fence" | "code_block":
                builder.add(token.content, "prose", place)
            case "html_block":
                _add_html(builder, token.content, outline)
    return title


def _words(children: Iterable[Token]) -> str:
    """The text of inline marks: a link's words, an image's description, code as it stands."""
    parts: list[str] = []
    for token in children:
        if token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type == "image":
            parts.append(_words(token.children or ()))
        elif token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak" or (token.type == "html_inline" and _BREAK_TAG.fullmatch(token.content)):
            parts.append("\n")
    return "".join(parts)


def _add_html(builder: TextBuilder, markup: str, outline: Outline) -> None:
    # Late: lxml is needed only by the few Markdown files that hold HTML.
    from index.parse.html import add_html

    add_html(builder, markup, Place(), outline)
