"""Web pages: the structure a browser shows, without what is not content.

Everything visible is kept but navigation, footers, asides, forms' controls and hidden elements. Where a page marks
its main part, or runs of bare links stand above or below its text, the rest is kept as furniture: found by a search,
never quoted.

trafilatura's choice of the main content was measured and not taken. On 193 pages of the Rust documentation, whose
<main> says what the content is, it kept 93% of those words (72% on API pages, none on three pages) with 5% of others;
this module, which takes <main> as the hint it is, keeps 99% with 5% of others, in a third of the time.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from index.errors import SkipFile
from index.parse.builder import Outline, TextBuilder, one_line
from index.parse.decode import clean, decode
from index.parse.guard import refuse_entities
from index.parse.hidden import note_of_text
from index.parse.limits import Limits
from index.parse.rows import add_table
from index.types import Parsed, Place, SegmentKind

DAMAGE = (etree.LxmlError,)

_DROPPED = (
    "//script|//style|//nav|//noscript|//template|//svg|//iframe|//object|//head|//button|//select|//textarea"
    "|//aside[not(@*[name()='epub:type'])]|//footer[not(ancestor::blockquote)]"
    "|//*[@hidden]|//*[@role='navigation' or @role='search' or @role='contentinfo']"
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCKS = _HEADINGS.union(
    ("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir"),
    ("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html"),
    ("legend", "li", "main", "menu", "ol", "p", "pre", "search", "section", "summary", "table", "tbody", "td"),
    ("tfoot", "th", "thead", "tr", "ul"),
)
_ITEMS = frozenset(("li", "dt"))
_LINK_RUN = 5  # bare links in a row that are navigation, at the top or bottom of a page
_MIN_SHARES = (("//main|//*[@role='main']", 0.1), ("//article", 0.5))  # of a page's text, to be believed its content
_MAX_SPAN = 1_000  # rows or columns one cell may cover, as in HTML
_MAX_CELLS = 1_000_000

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_SELF_CLOSED = re.compile(r"<(?!(?:br|hr|img|link|meta|input|col|area|base|wbr|source|embed)\b)(\w[\w:.-]*)([^<>]*)/>")
_UNSEEN = re.compile(r"display:none|visibility:hidden|(?:font-size|opacity):0(?:px|em|rem|%|pt)?(?:;|!|$)")
_PALE = re.compile(
    r"(?:^|;)color:(?:white|#fff(?:fff)?|transparent|rgba?\((?:255,){2}255(?:,[\d.]+)?\)|rgba\([\d,]*,0\))"
)
_SPACE = re.compile(r"\s+")


@dataclass(slots=True)
class _Block:
    text: str
    kind: SegmentKind
    level: int  # of a heading, 0 otherwise
    links: bool  # nothing but links
    main: bool
    table: tuple[list[list[str]], int] | None = None  # rows, of them header rows


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of a web page; the title is its opening h1, else its title element."""
    declared = _CHARSET.search(data[:2048])
    markup, warnings = decode(data, declared[1].decode("ascii") if declared else "")
    builder = TextBuilder(limits)
    for warning in warnings:
        builder.warn(warning)
    return builder.parsed(add_html(builder, markup, Place(), Outline()))


def add_html(builder: TextBuilder, markup: str, place: Place, outline: Outline) -> str:
    """Append a page or a fragment under the headings open so far; its title, "" without one."""
    return add_tree(builder, tree(markup), place, outline)


def add_tree(builder: TextBuilder, root: Any, place: Place, outline: Outline) -> str:
    """As add_html, for what tree() returned; the tree is pruned."""
    if root is None:
        return ""
    named = root.find(".//title")
    title = one_line("".join(named.itertext())) if named is not None else ""
    unseen = [
        found for found in root.xpath("//*[@style]") if _UNSEEN.search(_SPACE.sub("", found.get("style")).lower())
    ]
    for element in (*root.xpath(_DROPPED), *unseen):
        # A page may hide its body until its scripts have run; a reader sees it all the same.
        if element.getparent() is not None and element.tag != "body":
            element.drop_tree()
    pale = Counter("styled white or transparent" for found in root.xpath("//*[@style]") if _is_pale(found.get("style")))
    if note := note_of_text(pale):
        builder.warn(note)
    main = _main(root)
    walker = _Walker(main)
    walker.walk(root, "prose")
    walker.flush("prose")
    blocks = walker.blocks if main is not None else _without_link_runs(walker.blocks)
    for block in blocks:
        if block.table:
            add_table(builder, block.table[0], replace(place, heading_path=outline.path), block.table[1])
            continue
        path = outline.enter(block.level, block.text) if block.level else outline.path
        builder.add(block.text, block.kind, replace(place, heading_path=path))
    headings = [block for block in blocks if block.level]
    opening = next((block for block in headings if block.main), headings[0] if headings else None)
    return opening.text if opening and opening.level == 1 else title


def tree(markup: str) -> Any:
    """Root element of a page, or None when there is nothing on it. Raises SkipFile: xml_entity, parser_limit."""
    refuse_entities(markup[:65_536].encode())
    if "http://www.w3.org/1999/xhtml" in markup[:2048]:
        # In XHTML <title/> is a whole element; an HTML parser would take the rest of the page for the title.
        markup = _SELF_CLOSED.sub(r"<\1\2></\1>", markup)
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = lxml_html.document_fromstring(markup.encode(), parser=parser)
    except etree.ParserError:
        root = None  # says "Document is empty"
    for entry in parser.error_log:
        if entry.type_name == "ERR_RESOURCE_LIMIT":
            # libxml2 stops at depth 256 or 10 million characters and gives the page without its rest.
            raise SkipFile("parser_limit", one_line(entry.message))
    return root


def _is_pale(style: str) -> bool:
    """Whether words are white or transparent. On a dark ground white ones are seen, so they are noted and kept."""
    return _PALE.search(_SPACE.sub("", style).lower()) is not None


def _main(root: Any) -> Any:
    """The element marked as the page's content, its one <main> or one <article>; None when nothing is."""
    for path, share in _MIN_SHARES:
        found = root.xpath(path)
        if len(found) == 1 and len(found[0].text_content()) >= share * len(root.text_content()):
            return found[0]
    return None


def _without_link_runs(blocks: list[_Block]) -> list[_Block]:
    """The blocks, with runs of bare links before the first prose and after the last made furniture."""
    texts = [number for number, block in enumerate(blocks) if block.table or (not block.links and not block.level)]
    if not texts:
        return blocks
    for edge in (blocks[: texts[0]], blocks[texts[-1] + 1 :]):
        run: list[_Block] = []
        for block in (*edge, None):
            if block and block.links:
                run.append(block)
                continue
            if len(run) >= _LINK_RUN:
                for link in run:
                    link.kind = "furniture"
            run = []
    return blocks


class _Walker:
    """Reads elements in document order and closes a block wherever a browser would begin a new line."""

    def __init__(self, main: Any) -> None:
        self.blocks: list[_Block] = []
        self._main = main
        self._in_main = main is None
        self._text: list[str] = []
        self._linked = 0  # characters of the open block that are links
        self._links = 0  # depth of <a>
        self._pre = 0  # depth of <pre>

    def walk(self, element: Any, kind: str) -> None:
        """Read one element; ``kind`` is prose, item or the heading's tag it stands in. Depth is bounded by libxml2."""
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "br":
            self._text.append("\n")
            return
        if block := tag in _BLOCKS:
            self.flush(kind)
        if tag == "table" and (table := _data_table(element)):
            for caption in element.iterchildren("caption"):
                self.walk(caption, "prose")
            self.blocks.append(_Block("", "row", 0, False, self._in_main, table))
            return
        inner = tag if tag in _HEADINGS else "item" if tag in _ITEMS else "prose" if tag == "dd" else kind
        entered, self._in_main = self._in_main, self._in_main or element is self._main
        self._links += tag == "a"
        self._pre += tag == "pre"
        self._say(element.text)
        for child in element:
            self.walk(child, inner)
            self._say(child.tail)
        if block:
            self.flush(inner)
        self._links -= tag == "a"
        self._pre -= tag == "pre"
        self._in_main = entered

    def flush(self, kind: str) -> None:
        """Close the open block."""
        text = "".join(self._text)
        if not self._pre:
            text = "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
        if text.strip():
            level = int(kind[1]) if kind in _HEADINGS else 0
            segment_kind: SegmentKind = "heading" if level else "item" if kind == "item" else "prose"
            if not self._in_main and level != 1:
                # A page's name may stand above its main part; any other heading there is of a menu or a help text.
                segment_kind, level = "furniture", 0
            links = self._linked >= len("".join(text.split()))
            self.blocks.append(_Block(text, segment_kind, level, links, self._in_main))
        self._text, self._linked = [], 0

    def _say(self, text: str | None) -> None:
        if text:
            text = clean(text)
            self._text.append(text if self._pre else _SPACE.sub(" ", text))
            self._linked += len("".join(text.split())) if self._links else 0


def _data_table(table: Any) -> tuple[list[list[str]], int] | None:
    """Cells of a table of data and how many rows name its columns; None for one that only lays out the page."""
    if table.get("role") in ("presentation", "none") or table.xpath(".//table|.//h1|.//h2|.//h3|.//ul|.//ol"):
        return None
    lines = [[cell for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]
    lines = [line for line in lines if line]
    if len(lines) < 2 or max(map(len, lines)) < 2:
        return None
    heads = 0
    while heads < len(lines) and all(cell.tag == "th" for cell in lines[heads]):
        heads += 1
    if not heads and all(len(line) == 2 and line[0].tag == "th" for line in lines):
        # A card of facts: each row has its own label.
        return [[f"{one_line(th.text_content()).rstrip(':')}: {one_line(td.text_content())}"] for th, td in lines], 0
    return _grid(lines, heads), heads


def _grid(lines: list[list[Any]], heads: int) -> list[list[str]]:
    """Cells by column: what spans rows is repeated in each, what spans columns only among the headers."""
    grid: list[list[str]] = []
    below: dict[int, tuple[int, str]] = {}  # column -> rows it still covers, text
    cells = 0
    for number, line in enumerate(lines):
        row: list[str] = []
        queue = list(line)
        while queue or len(row) in below:
            column = len(row)
            if column in below:
                left, text = below.pop(column)
                row.append(text)
                if left > 1:
                    below[column] = (left - 1, text)
                continue
            cell = queue.pop(0)
            text = one_line(cell.text_content())
            for offset in range(_span(cell, "colspan")):
                row.append(text if offset == 0 or number < heads else "")
                if (rows := _span(cell, "rowspan")) > 1:
                    below[column + offset] = (rows - 1, row[-1])
        grid.append(row)
        cells += len(row)
        if cells > _MAX_CELLS:
            raise SkipFile("parser_limit", f"a table of more than {_MAX_CELLS} cells")
    return grid


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(int(value), _MAX_SPAN) if value.isascii() and value.isdigit() and int(value) > 0 else 1
