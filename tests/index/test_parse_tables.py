"""Every row of a table says what its values are."""

from __future__ import annotations

import csv
import datetime
from io import BytesIO, StringIO

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import SkipFile
from index.parse import Limits
from index.parse.builder import one_line
from index.parse.rows import looks_like_header, render_row

from .parsing import read, shown, skip_reason


def _workbook(*sheets: tuple[str, list[list[object]]], hidden: str = "") -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            if isinstance(cell.value, float) and cell.value < 1:
                cell.number_format = "0.0%"
        sheet.sheet_state = "hidden" if name == hidden else "visible"
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_row_is_a_sentence() -> None:
    assert render_row(["Name", "Born:"], ["Ada", "1815"]) == "Name: Ada; Born: 1815."
    assert render_row(["Name", "Born"], ["", "1815", "extra"]) == "Born: 1815; extra."
    assert render_row([], ["Was it lit?"]) == "Was it lit?"
    assert render_row(["Name"], ["", ""]) == ""


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        (["Name", "Born"], True),
        (["Region", "2019", "2020"], True),
        (["Ada", "1,815.50"], False),
        (["2019", "2020"], False),
        (["Name", "Name"], False),
        (["Lit on", "2024-05-01"], False),
        (["The lamp is lit.", "Yes"], False),
        (["", ""], False),
    ],
)
def test_a_header_is_short_distinct_labels(cells: list[str], header: bool) -> None:
    assert looks_like_header(cells) is header


def test_csv_with_any_delimiter_and_the_row_numbers_of_a_spreadsheet() -> None:
    parsed = read('Name;Born;Note\nAda;1815;"first; really"\n\nAlan;1912;"he\nsaid: yes!"\n', ".csv")
    assert shown(parsed) == [
        ("row", "Name: Ada; Born: 1815; Note: first; really."),
        ("row", "Name: Alan; Born: 1912; Note: he said: yes!"),
    ]
    assert [s.place.row for s in parsed.segments] == [2, 4]
    assert read("a\tb\n1\t2\n", ".tsv").text == "a: 1; b: 2."
    assert read("1,5|2,5\n3,5|4,5\n", ".csv").text == "1,5; 2,5.\n3,5; 4,5."
    assert read("Name,Born\n", ".csv").text == "Name; Born."
    assert read("=cmd(),x\n=1+1,2\n", ".csv").text == "=cmd(): =1+1; x: 2."


def test_a_workbook_as_a_person_sees_it() -> None:
    parsed = read(
        _workbook(
            (
                "Prices",
                [
                    ["Price list of 2024"],
                    [],
                    ["Item", "Price", "From", "Share", "Sold", "At"],
                    ["Lamp", 13000.0, datetime.date(2024, 5, 1), 0.125, True, datetime.time(7, 30)],
                    ["Oil", 1.1 + 2.2, datetime.datetime.fromisoformat("2024-05-01 07:30"), None, False, 1e21],
                ],
            ),
            ("Empty", []),
            ("Draft", [["secret"]]),
            hidden="Draft",
        ),
        ".xlsx",
    )
    assert shown(parsed) == [
        ("heading", "Prices"),
        ("prose", "Price list of 2024"),
        ("row", "Item: Lamp; Price: 13000; From: 2024-05-01; Share: 12.5%; Sold: TRUE; At: 07:30:00."),
        ("row", "Item: Oil; Price: 3.3; From: 2024-05-01 07:30:00; Sold: FALSE; At: 1e+21."),
    ]
    assert [(s.place.sheet, s.place.row) for s in parsed.segments] == [("Prices", n) for n in (None, 1, 4, 5)]
    assert {s.place.heading_path for s in parsed.segments} == {("Prices",)}
    assert parsed.warnings == ("sheet 'Draft' is hidden and was left out",)


def test_formulas_without_a_stored_value_are_counted() -> None:
    parsed = read(_workbook(("Sums", [["Item", "Total"], ["Oil", "=1+2"]])), ".xlsx")
    assert parsed.text == "Sums\n\nItem: Oil."
    assert parsed.warnings == ("1 formulas have no stored value and were left out",)


def test_rows_beyond_the_limit_are_left_out_and_said() -> None:
    parsed = read("n,m\n1,2\n3,4\n5,6\n", ".csv", Limits(max_rows=2))
    assert (parsed.text, parsed.warnings) == ("n: 1; m: 2.\nn: 3; m: 4.", ("only the first 2 rows were read",))


def test_reasons() -> None:
    assert skip_reason("a,b\n1," + "x" * 200_000, ".csv") == "parser_limit"
    assert skip_reason("1,2,3,4\n", ".csv", Limits(max_columns=3)) == "parser_limit"
    assert skip_reason("1,2,3,4\n", ".csv", Limits(max_text_chars=3)) == "text_too_large"
    assert skip_reason(",,\n,,\n", ".csv") == "empty"
    assert skip_reason(_workbook(("Empty", [])), ".xlsx") == "empty"
    assert skip_reason(b"PK\x03\x04", ".csv") == "type_mismatch"


# Vertical tab, form feed and NEL end a line in all text, and so an unquoted row too.
_CELLS = st.text(st.characters(exclude_characters="\v\f\x85"), max_size=12)


@given(st.lists(st.lists(_CELLS, min_size=3, max_size=3), min_size=1, max_size=6))
def test_no_value_of_a_csv_file_is_lost(rows: list[list[str]]) -> None:
    out = StringIO()
    csv.writer(out).writerows([["Lamp", "Oil", "Wick"], *rows])
    try:
        parsed = read(out.getvalue().encode("utf-8", "ignore"), ".csv")
    except SkipFile as skipped:
        assert skipped.reason == "binary"
        return
    for row in rows:
        for label, cell in zip(("Lamp", "Oil", "Wick"), row, strict=True):
            value = one_line(cell)
            assert not value or f"{label}: {value}" in parsed.text
