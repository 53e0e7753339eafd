"""PDF pages become paragraphs again, each with its page."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import pypdfium2
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

from index.parse import Limits

from .parsing import read, shown, skip_reason

LAMP = (
    "The keeper climbs the stairs at dusk and lights the lamp, from where the harbour, the two islands and, on a "
    "clear day, the mountains of the mainland can be seen by whoever has the patience to wait for the fog to lift. "
)


def _pages(*pages: Sequence[tuple[float, float, str]], size: int = 11, password: str = "", title: str = "") -> bytes:
    """A PDF of lines at (x, y) on each page; y grows upwards from the foot of the page, 842 high."""
    out = BytesIO()
    canvas = Canvas(out, pagesize=(595, 842), encrypt=StandardEncryption(password, "owner") if password else None)
    canvas.setTitle(title)
    for lines in pages:
        for x, y, text in lines:
            canvas.setFont("Helvetica", size)
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_paragraphs_headings_items_and_pages() -> None:
    styles = getSampleStyleSheet()
    story = [
        Paragraph("Annual report", styles["Title"]),
        Paragraph("Findings", styles["Heading2"]),
        Paragraph(LAMP * 2, styles["Normal"]),
        Paragraph("It goes out at dawn. " + LAMP, styles["Normal"]),
        Paragraph("• a wick", styles["Normal"]),
        Paragraph("2. oil", styles["Normal"]),
        PageBreak(),
        Paragraph("On the second page.", styles["Normal"]),
    ]
    out = BytesIO()
    SimpleDocTemplate(out).build(story)
    parsed = read(out.getvalue(), ".pdf")
    assert shown(parsed) == [
        ("heading", "Annual report"),
        ("heading", "Findings"),
        ("prose", (LAMP * 2).strip()),
        ("prose", ("It goes out at dawn. " + LAMP).strip()),
        ("item", "a wick"),
        ("item", "2. oil"),
        ("prose", "On the second page."),
    ]
    assert parsed.title == "Annual report"
    assert [s.place.page for s in parsed.segments] == [1] * 6 + [2]
    assert parsed.segments[-1].place.heading_path == ("Annual report", "Findings")


def test_words_broken_at_line_ends_are_joined() -> None:
    data = _pages(
        [
            (72, 700, "The well-known lamp of the tower, which gives infor-"),
            (72, 687, "mation to sailors, is a well-"),
            (72, 674, "known landmark on the coast of Franco-"),
            (72, 661, "British waters."),
        ]
    )
    assert read(data, ".pdf").text == (
        "The well-known lamp of the tower, which gives information to sailors, is a well-known landmark on the coast"
        " of Franco-British waters."
    )


def test_paragraphs_are_told_by_gap_indent_and_an_early_line_end() -> None:
    lines = [
        (72, 700, "The lamp is lit at dusk and burns the whole night until"),
        (72, 687, "the keeper puts it out."),
        (72, 674, "Oil is brought by boat whenever the sea allows it, and"),
        (72, 661, "it is carried up the stairs in cans of twenty litres by"),
        (90, 648, "In winter the boat may not come for weeks on end, which"),
        (72, 635, "is why there is a store"),
        (72, 600, "of oil."),
    ]
    assert [text[:12] for _, text in shown(read(_pages(lines), ".pdf"))] == [
        "The lamp is ",
        "Oil is broug",
        "In winter th",
        "of oil.",
    ]


def test_running_headers_and_page_numbers_are_furniture() -> None:
    body = [(72.0, 700.0 - 13 * n, "Every line of this paragraph reaches the margin of the page") for n in range(3)]
    data = _pages(*[[(72.0, 815.0, "The Lighthouse Report"), *body, (300.0, 20.0, str(page))] for page in range(1, 5)])
    parsed = read(data, ".pdf")
    assert [kind for kind, _ in shown(parsed)] == ["furniture", "prose", "furniture"] * 4


def test_the_title_in_the_metadata_unless_it_is_a_program_s() -> None:
    line = (72.0, 700.0, "The lamp is lit.")
    assert read(_pages([line], title="Lamps"), ".pdf").title == "Lamps"
    assert read(_pages([line], title="Microsoft Word - lamps.doc"), ".pdf").title == ""


def test_parts_that_could_not_be_read_are_named() -> None:
    line = (72.0, 700.0, "The lamp is lit.")
    assert read(_pages([line], [], [line]), ".pdf").warnings == ("page 2 without text",)
    limited = read(_pages([line], [line]), ".pdf", Limits(max_pages=1))
    assert limited.warnings == ("only the first 1 of 2 pages were read",)


def test_junk_before_the_header_is_accepted() -> None:
    assert read(b"junk\n" + _pages([(72, 700, "The lamp is lit.")]), ".pdf").text == "The lamp is lit."


def test_reasons() -> None:
    page = _pages([(72, 700, "The lamp is lit.")])
    assert skip_reason(_pages([(72, 700, "x")], password="secret"), ".pdf") == "encrypted"
    assert skip_reason(_pages([]), ".pdf") == "no_text"
    assert skip_reason(page[: len(page) // 2], ".pdf") == "corrupt"
    assert skip_reason(b"<html>not a PDF", ".pdf") == "type_mismatch"
    assert skip_reason(page, ".pdf", Limits(max_text_chars=5)) == "text_too_large"


def test_pdfium_s_own_errors_do_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(document: object, index: int) -> None:
        raise pypdfium2.PdfiumError("Failed to load page.")

    monkeypatch.setattr(pypdfium2.PdfDocument, "get_page", broken)
    assert skip_reason(_pages([(72, 700, "The lamp is lit.")]), ".pdf") == "corrupt"
