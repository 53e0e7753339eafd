"""Table rows as lines that can be read and quoted on their own: "Name: Ada; Born: 1815."."""

from __future__ import annotations

import re
from collections.abc import Sequence

from index.parse.builder import TextBuilder, one_line
from index.types import Place

_NUMBER = re.compile(r"[-+(]?\s?[$€£¥]?\s?\d[\d.,\s]*\s?[%€)]?|\d{4}-\d\d-\d\d.*")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_MAX_HEADER_CHARS = 80


def looks_like_header(cells: Sequence[str]) -> bool:
    """Whether a first row names its columns: short distinct labels, not numbers (years apart), not sentences."""
    labels = [cell for cell in cells if cell]
    named = [cell for cell in labels if not _NUMBER.fullmatch(cell)]
    return (
        bool(named)
        and len(set(labels)) == len(labels)
        and all(cell in named or _YEAR.fullmatch(cell) for cell in labels)
        and all(len(cell) <= _MAX_HEADER_CHARS and not cell.endswith((".", "!", "?")) for cell in labels)
    )


def render_row(header: Sequence[str], cells: Sequence[str]) -> str:
    """One row as a sentence; empty cells are left out, cells beyond the header have no label. "" for an empty row."""
    labels = [*header, *[""] * (len(cells) - len(header))]
    parts = [
        f"{label.rstrip(': ')}: {cell}" if label else cell for label, cell in zip(labels, cells, strict=False) if cell
    ]
    line = "; ".join(parts)
    return line if not line or line.endswith((".", "!", "?")) else f"{line}."


def add_table(
    builder: TextBuilder, rows: Sequence[Sequence[str]], place: Place, header_rows: int | None = None
) -> None:
    """Append a table inside a text document, one segment a row.

    ``header_rows`` is how many leading rows name the columns, None when the format does not tell. A table that is
    nothing but its header is given as rows."""
    table = [[one_line(cell) for cell in row] for row in rows]
    table = [row for row in table if any(row)]
    if header_rows is None:
        header_rows = int(bool(table) and len(table[0]) > 1 and looks_like_header(table[0]))
    if header_rows >= len(table):
        header_rows = 0
    header = [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*table[:header_rows], strict=False)]
    for row in table[header_rows:]:
        builder.add(render_row(header, row), "row", place)
