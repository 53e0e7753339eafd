"""Spreadsheets and CSV: every row a line that says what its values are."""

from __future__ import annotations

import csv
import datetime
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO, StringIO
from itertools import chain, islice
from typing import Any

from index.errors import SkipFile
from index.parse.builder import TextBuilder, check_size, one_line
from index.parse.decode import decode
from index.parse.guard import open_archive
from index.parse.limits import Limits
from index.parse.rows import looks_like_header, render_row
from index.types import Parsed, Place

# openpyxl meets a missing part or attribute as None or as a value of another type.
DAMAGE = (csv.Error, AttributeError, TypeError, SyntaxError)  # SyntaxError: how ElementTree calls broken XML

_DELIMITERS = "\t;|,"  # of equals the first: a comma may be a decimal one
_SAMPLE_ROWS, _SAMPLE_CHARS = 50, 200_000  # that choose the delimiter
_PREAMBLE_ROWS = 10  # at most so many lone cells stand above a header: a title, a date
_UNCOMPUTED = re.compile(rb"</f>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_Row = tuple[int, list[str]]  # number as the spreadsheet shows it, cells


def parse_csv(data: bytes, limits: Limits) -> Parsed:
    """Rows of a .csv or .tsv file; its delimiter is the one that gives the most even columns. It has no title."""
    text, notes = decode(data)
    check_size(len(text), 0, limits)
    builder = TextBuilder(limits)
    for note in notes:
        builder.warn(note)
    reader = csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        _add_rows(builder, enumerate(([one_line(cell) for cell in row] for row in reader), start=1), Place(), limits)
    except csv.Error as error:
        if "field limit" in str(error):
            raise SkipFile("parser_limit", str(error)) from error
        raise
    return builder.parsed()


def parse_xlsx(data: bytes, limits: Limits) -> Parsed:
    """Rows of the visible sheets of a workbook, each under its sheet's name; formulas by their stored values."""
    with open_archive(data, limits, "[Content_Types].xml") as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        uncomputed = sum(len(_UNCOMPUTED.findall(archive.read(name))) for name in sheets)
    import openpyxl  # late: a CSV file needs none of it
    from openpyxl.utils.exceptions import InvalidFileException

    builder = TextBuilder(limits)
    if uncomputed:
        builder.warn(f"{uncomputed} formulas have no stored value and were left out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl names each extension it does not write back; we only read
        try:
            book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True)
        except (InvalidFileException, OSError) as error:
            raise SkipFile("type_mismatch", "an Office file, but not a workbook") from error
        try:
            for sheet in book.worksheets:
                _add_sheet(builder, sheet, limits)
            title = book.properties.title or ""
        finally:
            book.close()
    return builder.parsed(title)


def _add_sheet(builder: TextBuilder, sheet: Any, limits: Limits) -> None:
    if sheet.sheet_state != "visible":
        builder.warn(f"sheet {sheet.title!r} is hidden and was left out")
        return
    sheet.reset_dimensions()  # those in the file may claim a million columns
    place = Place((sheet.title,), sheet=sheet.title)
    rows = ([_shown(cell) for cell in row] for row in sheet.iter_rows())
    numbered = ((number, row) for number, row in enumerate(rows, start=1) if any(row))
    if (first := next(numbered, None)) is not None:
        builder.add(sheet.title, "heading", place)
        _add_rows(builder, chain([first], numbered), place, limits)


def _add_rows(builder: TextBuilder, rows: Iterable[_Row], place: Place, limits: Limits) -> None:
    """Append the rows of one sheet: what stands above the header as prose, a header with nothing below as a row."""
    filled = ((number, row) for number, row in rows if any(row))
    preamble, header, rest = _split_header(filled, limits)
    for number, row in preamble:
        builder.add(" ".join(filter(None, row)), "prose", _at(place, number))
    count = 0
    for count, (number, row) in enumerate(rest, start=1):
        if count > limits.max_rows:
            builder.warn(
                f"only the first {limits.max_rows} rows{' of ' + place.sheet if place.sheet else ''} were read"
            )
            return
        if len(row) > limits.max_columns:
            raise SkipFile("parser_limit", f"row {number} has {len(row)} columns")
        builder.add(render_row(header[1], row), "row", _at(place, number))
    if not count and header[1]:
        builder.add(render_row((), header[1]), "row", _at(place, header[0]))


def _split_header(rows: Iterator[_Row], limits: Limits) -> tuple[list[_Row], _Row, Iterator[_Row]]:
    """Lone cells above a wider table, the header (without cells when there is none) and the rows below it."""
    opening = list(islice(rows, _PREAMBLE_ROWS + 1))
    widths = [sum(map(bool, row)) for _, row in opening]
    above = next((number for number, width in enumerate(widths) if width > 1), 0)
    preamble, table = opening[:above], opening[above:]
    if table and len(table[0][1]) <= limits.max_columns and looks_like_header(table[0][1]):
        return preamble, table[0], chain(table[1:], rows)
    return preamble, (0, []), chain(table, rows)


def _at(place: Place, row: int) -> Place:
    return Place(place.heading_path, sheet=place.sheet, row=row)


def _delimiter(text: str) -> str:
    """The delimiter that gives the most of the first rows one common width, over one column."""

    def evenness(delimiter: str) -> float:
        reader = csv.reader(StringIO(text[:_SAMPLE_CHARS], newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row in islice(reader, _SAMPLE_ROWS) if row]
        except csv.Error:
            return 0
        common = Counter(width for width in widths if width > 1).most_common(1)
        return common[0][1] / len(widths) if common else 0

    best = max(_DELIMITERS, key=evenness)
    return best if evenness(best) else ","


def _shown(cell: Any) -> str:
    """A cell's value as a person would read it: no float's tail, dates in ISO order, per cent as such."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        percent = "%" in (cell.number_format or "")
        return f"{value * 100:.10g}%" if percent else str(value) if isinstance(value, int) else _plain(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return one_line(str(value))


def _plain(value: float) -> str:
    """Fifteen digits, as a spreadsheet has them, and no exponent where a person would write none."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
