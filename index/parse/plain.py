"""Plain text, kept as it is: the canonical text is the decoded file and the segments are ranges of it.

Blank lines separate blocks. Inside a block a line break means a new paragraph, unless the block was wrapped by hand,
which shows in that the next line's first word would not have fitted on the line before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from index.errors import SkipFile
from index.parse.builder import Outline, check_size, has_words
from index.parse.decode import decode
from index.parse.limits import Limits
from index.types import Parsed, Place, Segment, SegmentKind

_ANYWHERE = Place()
_WRAP_COLUMNS = (40, 100)  # hand-wrapped text has its margin in between
_MAX_TITLE_CHARS = 200
_MAX_HEADING_CHARS = 80
_EDGE_LINES = (5, 8)  # at the start and at the end of a text, where web pages leave their remains
_TITLE_LEVEL, _DOUBLE_RULE_LEVEL, _RULE_LEVEL, _CAPITALS_LEVEL = range(4)

_SENTENCE_END = re.compile(r"[.!?:…。！？][\"'”’»)\]]*$")
_NO_TITLE_END = re.compile(r"[.!?…。！？:;,][\"'”’»)\]]*$")
_MARKER = re.compile(r"([-*+•‣◦▪–]|\d{1,3}[.)]|\(\w{1,3}\))[ \t]+(?=\S)")
_BULLET = re.compile(r"[-*+•‣◦▪–]")
_CHAPTER = re.compile(r"(?:chapter|part|section|appendix)\s+(?:\d+|[ivxlc]+|[a-z])\b[^.!?]*", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"source link|advertisement|share this(?: article| story| post)?|sign up for our newsletter|follow us(?: on .*)?"
    r"|(?:read|learn|see) more(?: (?:on|at|here|from|about)\b.*)?|continue reading(?: .*)?|related (?:articles|stories)"
    r"|(?:read|view|see) the (?:original|full) (?:article|story|post|version)(?: (?:on|at) .*)?|(?:back )?to top"
    r"|(?:this article )?(?:originally )?(?:appeared|published) (?:first )?(?:on|in|at) .*|all rights reserved"
    r"|click here(?: .*)?|skip to (?:main )?content",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank, without the white space around it."""

    start: int
    end: int
    indent: int
    text: str
    furniture: bool
    marker: re.Match[str] | None  # of a list item


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of a .txt file with its paragraphs, list items and headings; the title is a first line that reads as one."""
    text, warnings = decode(data)
    title, segments = segment(text, limits)
    if not segments:
        raise SkipFile("empty")
    return Parsed(text, segments, title, warnings)


def segment(
    text: str, limits: Limits, place: Place = _ANYWHERE, titled: bool = True
) -> tuple[str, tuple[Segment, ...]]:
    """Title, "" without one, and segments of a clean text; every character that is not white space lies in one.

    ``place`` is where the text stands; with ``titled`` a first line may be its title. Raises SkipFile:
    text_too_large, parser_limit."""
    # Of lines, not of the segments made of them: memory is to be bounded before it is used.
    check_size(len(text), sum(map(bool, text.split("\n"))), limits)
    blocks = _blocks(text)
    segmenter = _Segmenter(Outline(place.heading_path), place)
    title = _title(blocks) if titled else None
    for number, block in enumerate(blocks):
        if title and title in block:
            before = block.index(title)
            segmenter.paragraphs(block[:before])
            segmenter.heading(title, _TITLE_LEVEL)
            block = block[before + 1 :]
        if block:
            segmenter.block(block, last=number == len(blocks) - 1)
    opening = next((found for found in segmenter.segments if found.kind != "furniture"), None)
    named = opening is not None and opening.kind == "heading"
    return text[opening.start : opening.end] if opening and named else "", tuple(segmenter.segments)


class _Segmenter:
    """Collects segments under the headings met so far."""

    def __init__(self, outline: Outline, place: Place) -> None:
        self.segments: list[Segment] = []
        self._outline = outline
        self._place = place
        self._after_bullet = False  # the last line was a bullet standing alone

    def heading(self, line: _Line, level: int) -> None:
        self._place = replace(self._place, heading_path=self._outline.enter(level, line.text))
        self._add(line.start, line.end, "heading")

    def block(self, block: list[_Line], last: bool) -> None:
        """Headings of a block, then its paragraphs and items."""
        if len(block) == 1 and not last and _stands_out(block[0].text):
            self.heading(block[0], _CAPITALS_LEVEL)
            return
        done = 0
        for number in range(1, len(block)):
            line, rule = block[number - 1], block[number]
            level = _rule_level(line.text, rule.text)
            if level is not None and number > done:
                self.paragraphs(block[done : number - 1])
                self.heading(line, level)
                self._add(rule.start, rule.end, "furniture")
                done = number + 1
        self.paragraphs(block[done:])

    def paragraphs(self, block: list[_Line]) -> None:
        for group in _paragraphs(block):
            self._paragraph(group)

    def _paragraph(self, group: list[_Line]) -> None:
        first, start, end = group[0], group[0].start, group[-1].end
        kind: SegmentKind = "item" if self._after_bullet else "prose"
        self._after_bullet = False
        if first.furniture:
            self._add(start, end, "furniture")
            self._after_bullet = _BULLET.fullmatch(first.text) is not None
            return
        if marker := first.marker:
            # The mark is a segment of its own, so that a quote of the item begins with its words.
            self._add(start, start + marker.end(1), "furniture")
            start, kind = start + marker.end(), "item"
        self._add(start, end, kind)

    def _add(self, start: int, end: int, kind: SegmentKind) -> None:
        self.segments.append(Segment(start, end, kind, self._place))


def _blocks(text: str) -> list[list[_Line]]:
    """Runs of lines without a blank one between them."""
    raw = text.split("\n")
    filled = [number for number, line in enumerate(raw) if line.strip()]
    edges = {*filled[: _EDGE_LINES[0]], *filled[-_EDGE_LINES[1] :]}
    blocks: list[list[_Line]] = []
    offset, blank = 0, True
    for number, line in enumerate(raw):
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if words:
            if blank:
                blocks.append([])
            start = offset + indent
            furniture = not has_words(words) or (number in edges and _BOILERPLATE.fullmatch(words) is not None)
            marker = None if furniture else _MARKER.match(words)
            blocks[-1].append(_Line(start, start + len(words), indent, words, furniture, marker))
        blank = not words
        offset += len(line) + 1
    return blocks


def _title(blocks: list[list[_Line]]) -> _Line | None:
    """The first line, when it is short, unfinished, followed by others and not the beginning of a paragraph."""
    lines = (line for block in blocks for line in block if not line.furniture)
    first = next(lines, None)
    if first is None or next(lines, None) is None:
        return None
    block = next(block for block in blocks if first in block)
    block = block[block.index(first) :]
    if len(first.text) >= _MAX_TITLE_CHARS or _NO_TITLE_END.search(first.text) or first.marker:
        return None
    if len(block) > 1 and _rule_level(first.text, block[1].text) is not None:
        return None  # an underlined heading has its own level
    wrapped = len(block) > 1 and _joins(first, block[1], _wrap_column(block))
    return None if wrapped or (len(block) > 1 and block[1].text[0].islower()) else first


def _paragraphs(block: list[_Line]) -> Iterator[list[_Line]]:
    """The lines of a block, put together where they were one paragraph before wrapping."""
    column = _wrap_column(block)
    group: list[_Line] = []
    for line in block:
        if group and not _continues(group, line, column):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _continues(group: list[_Line], line: _Line, column: int) -> bool:
    """Whether a line goes on with the paragraph or list item before it."""
    before = group[-1]
    if line.furniture or before.furniture:
        return False
    if line.marker and (group[0].marker or _opens_item(before, line) or not _joins(before, line, column)):
        return False
    if group[0].marker and line.indent > group[0].indent:
        return True
    return bool(column) and (_joins(before, line, column) or not _ends(before))


def _wrap_column(block: list[_Line]) -> int:
    """The margin a block was wrapped at by hand, 0 when its line breaks are meant."""
    widths = [line.indent + len(line.text) for line in block]
    fitting = [width for width in widths if width <= _WRAP_COLUMNS[1]]
    if len(block) < 2 or len(fitting) < 0.9 * len(block) or max(fitting) < _WRAP_COLUMNS[0]:
        return 0
    column = max(fitting)
    pairs = [
        (line, after)
        for line, after in pairwise(block)
        if not line.furniture and not after.furniture and not _opens_item(line, after)
    ]
    wrapped = [line for line, after in pairs if _joins(line, after, column)]
    meant = sum(_ends(line) for line in wrapped)
    return column if wrapped and 2 * len(wrapped) >= len(pairs) and 2 * meant < len(wrapped) else 0


def _opens_item(before: _Line, line: _Line) -> bool:
    """Whether a line is a list item; "... on the\\n12. of May" is a wrapped sentence, not one."""
    if not line.marker:
        return False
    return _BULLET.match(line.text) is not None or before.marker is not None or _ends(before)


def _joins(line: _Line, after: _Line, column: int) -> bool:
    """Whether the next line's first word would have crossed the margin, so that the break was forced."""
    word = after.text.split(maxsplit=1)[0]
    return line.indent + len(line.text) + 1 + len(word) > column > 0


def _ends(line: _Line) -> bool:
    return _SENTENCE_END.search(line.text[-8:]) is not None


def _rule_level(text: str, rule: str) -> int | None:
    """Level of a heading that is underlined, None when it is not."""
    if len(rule) < 3 or len(text) > _MAX_HEADING_CHARS or not has_words(text) or _SENTENCE_END.search(text):
        return None
    return {"=": _DOUBLE_RULE_LEVEL, "-": _RULE_LEVEL}.get(rule[0]) if set(rule) in ({"="}, {"-"}) else None


def _stands_out(text: str) -> bool:
    """Whether a line alone reads as a heading: capitals only, or "Chapter 3"."""
    capitals = text.isupper() and sum(map(str.isalpha, text)) > 2 and not _NO_TITLE_END.search(text)
    return len(text) <= _MAX_HEADING_CHARS and (capitals or _CHAPTER.fullmatch(text) is not None)
