"""Slides: each under its title, with text, tables and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pptx
from lxml import etree
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.exc import PythonPptxError

from index.errors import SkipFile
from index.parse.builder import TextBuilder, one_line
from index.parse.guard import open_archive
from index.parse.limits import Limits
from index.parse.rows import add_table
from index.types import Parsed, Place, SegmentKind

# python-pptx meets a missing part or attribute as None or as an element of another class.
DAMAGE = (PythonPptxError, etree.LxmlError, AttributeError, TypeError)

_BULLETED = (PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of a .pptx, each segment with its slide; the title is that of the first slide that has one."""
    open_archive(data, limits, "[Content_Types].xml").close()
    try:
        deck = pptx.Presentation(BytesIO(data))
    except ValueError as error:
        if "is not a PowerPoint file" in str(error):
            raise SkipFile("type_mismatch", "an Office file, but not a presentation") from error
        raise
    builder = TextBuilder(limits)
    title = ""
    for number, slide in enumerate(deck.slides, start=1):
        heading = one_line(slide.shapes.title.text_frame.text) if slide.shapes.title is not None else ""
        title = title or heading
        place = Place((heading,) if heading else (), slide=number)
        builder.add(heading, "heading", place)
        for shape in _shapes(slide.shapes):
            if slide.shapes.title is None or shape.shape_id != slide.shapes.title.shape_id:
                _add_shape(builder, shape, place)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            for paragraph in notes.paragraphs:
                builder.add(paragraph.text, "prose", place)
    return builder.parsed(title or deck.core_properties.title)


def _shapes(shapes: Any) -> Iterator[Any]:
    """Shapes of a slide in its own order, those within groups too."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _add_shape(builder: TextBuilder, shape: Any, place: Place) -> None:
    if getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        add_table(builder, rows, place, 1 if shape.table.first_row else None)
    elif shape.has_text_frame:
        paragraphs = [paragraph.text for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()]
        bulleted = len(paragraphs) > 1 and shape.is_placeholder and shape.placeholder_format.type in _BULLETED
        kind: SegmentKind = "item" if bulleted else "prose"
        for text in paragraphs:
            builder.add(text, kind, place)
