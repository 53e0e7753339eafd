"""The door to all parsers: what is read, what is imported for it, what comes out of damage."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import index.parse
from index.errors import SkipFile
from index.parse import FORMATS, PARSER_VERSION, Limits, format_of, parse

from .parsing import check, skip_reason


def test_the_public_surface() -> None:
    assert index.parse.__all__ == ["FORMATS", "PARSER_VERSION", "Format", "Limits", "format_of", "parse"]
    assert PARSER_VERSION.isdigit()
    assert "".join(FORMATS) == ".txt.text.md.markdown.html.htm.xhtml.pdf.docx.pptx.xlsx.csv.tsv.eml.epub"


def test_the_suffix_chooses_the_format_whatever_its_case() -> None:
    assert (format_of(".PDF"), format_of(".htm"), format_of(".exe"), format_of("")) == ("pdf", "html", "", "")
    assert parse(b"Lit.", ".TXT").text == "Lit."
    assert skip_reason("Lit.", ".exe") == skip_reason("Lit.", "") == "unsupported"


def test_reading_plain_text_imports_no_parser_library() -> None:
    heavy = ("lxml", "docx", "pptx", "openpyxl", "pypdfium2", "markdown_it", "charset_normalizer", "trafilatura")
    code = (
        f"import sys; from index.parse import parse; parse(b'Lit.', '.txt'); assert not {set(heavy)} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(index.parse.__file__).parents[2])


def _samples() -> dict[str, bytes]:
    document, deck, book = docx.Document(), pptx.Presentation(), openpyxl.Workbook()
    document.add_paragraph("The lamp is lit.")
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "The lamp"
    book.worksheets[0].append(["The lamp"])
    samples = {".eml": b"From: a@b.c\nSubject: Lamp\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nLit.\n--x--\n"}
    for suffix, file in ((".docx", document), (".pptx", deck), (".xlsx", book)):
        out = BytesIO()
        file.save(out)
        samples[suffix] = out.getvalue()
    return samples


SAMPLES = _samples()


@pytest.mark.parametrize("suffix", SAMPLES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_text_or_a_reason(suffix: str, data: st.DataObject) -> None:
    sample = bytearray(SAMPLES[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sample) - 1))
        sample[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        check(parse(bytes(sample), suffix))
    except SkipFile as skipped:
        assert "\n" not in skipped.detail


@pytest.mark.parametrize("suffix", FORMATS)
@given(data=st.binary(max_size=200))
def test_any_bytes_by_any_name_are_text_or_a_reason(suffix: str, data: bytes) -> None:
    try:
        check(parse(data, suffix))
    except SkipFile as skipped:
        assert skipped.reason


def test_what_a_parser_cannot_bear_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(data: bytes, limits: Limits) -> None:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr("index.parse.plain.parse", deep)
    assert skip_reason("Lit.", ".txt") == "parser_limit"
