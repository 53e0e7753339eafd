"""Word documents: paragraphs and tables in the order of the page, then foot- and endnotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import docx
from docx.exceptions import PythonDocxError
from docx.opc.exceptions import OpcError
from docx.oxml.exceptions import XmlchemyError
from lxml import etree

from index.errors import SkipFile
from index.parse.builder import Outline, TextBuilder
from index.parse.guard import open_archive
from index.parse.limits import Limits
from index.parse.rows import add_table
from index.types import Parsed, Place

# python-docx meets a missing part or attribute as None or as an element of another class.
DAMAGE = (OpcError, PythonDocxError, XmlchemyError, etree.LxmlError, AttributeError, TypeError)

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_WRAPPERS = frozenset(_W + name for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo"))
_UNREAD = frozenset((_W + "del", _W + "moveFrom", _W + "pPr", _W + "rPr", _W + "txbxContent", _FALLBACK))
_BREAKS = {_W + "tab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_MAX_STYLE_CHAIN = 10
_XML = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of a .docx; the title is its Title paragraph or opening heading, else the one in its properties.

    Tracked insertions are read and deletions are not. Raises SkipFile: encrypted, type_mismatch, zip_ratio, ..."""
    open_archive(data, limits, "[Content_Types].xml").close()
    try:
        document = docx.Document(BytesIO(data))
    except ValueError as error:
        if "is not a Word file" in str(error):
            raise SkipFile("type_mismatch", "an Office file, but not a document") from error
        raise
    builder, outline = TextBuilder(limits), Outline()
    styles = _style_kinds(document)
    title, first = "", True
    for block in _blocks(document.element.body):
        if block.tag == _W + "tbl":
            add_table(builder, _table(block), Place(outline.path))
            continue
        text = _text(block)
        kind, level = _kind(block, styles)
        if text.strip():
            if kind == "heading":
                outline.enter(level, text)
                title = text if first else title
                builder.add(text, "heading", Place(outline.path))
            else:
                builder.add(text, "item" if kind == "item" else "prose", Place(outline.path))
            first = False
    for text in _notes(document):
        builder.add(text)
    return builder.parsed(title or document.core_properties.title)


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables of a body, cell or text box, those in content controls and text boxes too."""
    for child in parent:
        if child.tag in (_W + "p", _W + "tbl"):
            yield child
            if child.tag == _W + "p":
                for box in child.iter(_W + "txbxContent"):
                    # Word writes a text box twice: for itself, and as a fallback for older readers.
                    if next(box.iterancestors(_FALLBACK), None) is None:
                        yield from box.iter(_W + "p")
        elif child.tag in _WRAPPERS:
            yield from _blocks(child)


def _text(element: Any) -> str:
    """Words of a paragraph, or of all paragraphs in a cell or note."""
    parts: list[str] = []
    for child in element:
        if child.tag == _W + "t":
            parts.append(child.text or "")
        elif child.tag in _BREAKS:
            parts.append(_BREAKS[child.tag])
        elif child.tag not in _UNREAD:
            parts.append(_text(child))
            if child.tag == _W + "p":
                parts.append("\n")
    return "".join(parts)


def _style_kinds(document: Any) -> dict[str, tuple[str, int]]:
    """Kind and heading level by style id, through the styles it is based on."""
    kinds: dict[str, tuple[str, int]] = {}
    for style in document.styles:
        base, seen = style, 0
        while base is not None and seen < _MAX_STYLE_CHAIN:
            name = base.name or ""
            if heading := _HEADING.fullmatch(name):
                kinds[style.style_id] = ("heading", int(heading[1]))
            elif name == "Title":
                kinds[style.style_id] = ("heading", 0)
            elif name.startswith("List"):
                kinds[style.style_id] = ("item", 0)
            else:
                base, seen = getattr(base, "base_style", None), seen + 1
                continue
            break
    return kinds


def _kind(paragraph: Any, styles: dict[str, tuple[str, int]]) -> tuple[str, int]:
    """Kind of a paragraph and, for a heading, its level: 0 for a title, 1 to 9."""
    properties = paragraph.find(_W + "pPr")
    if properties is None:
        return "prose", 0
    level = properties.find(_W + "outlineLvl")
    if level is not None and level.get(_W + "val") in set("012345678"):
        return "heading", int(level.get(_W + "val")) + 1
    style = properties.find(_W + "pStyle")
    kind = styles.get(style.get(_W + "val"), ("prose", 0)) if style is not None else ("prose", 0)
    number = properties.find(f"{_W}numPr/{_W}numId")
    if kind[0] == "prose" and number is not None and number.get(_W + "val") != "0":
        return "item", 0
    return kind


def _table(table: Any) -> list[list[str]]:
    """Cells by column; one merged downwards is repeated, one merged sideways is followed by empty ones."""
    rows: list[list[str]] = []
    for line in table.iter(_W + "tr"):
        if next(line.iterancestors(_W + "tbl")) is not table:
            continue  # of a table within a cell, whose words are the cell's
        row: list[str] = []
        for cell in line.iterchildren(_W + "tc"):
            text = _text(cell)
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            if merged is not None and merged.get(_W + "val") != "restart" and rows and len(row) < len(rows[-1]):
                text = rows[-1][len(row)]
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            width = span.get(_W + "val", "1") if span is not None else "1"
            row += [text, *[""] * (min(int(width), 100) - 1)]
        rows.append(row)
    return rows


def _notes(document: Any) -> Iterator[str]:
    """Footnotes and endnotes, without Word's separators."""
    for relation in document.part.rels.values():
        if not relation.is_external and relation.reltype.endswith(("/footnotes", "/endnotes")):
            for note in etree.fromstring(relation.target_part.blob, _XML):
                if note.get(_W + "type") is None:
                    yield _text(note)
