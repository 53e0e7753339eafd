"""Word documents and slides, written here by the libraries people write them with."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import docx
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pptx.util import Inches

from index.parse import Limits

from .parsing import path_of, read, shown, skip_reason


def _saved(document: Any) -> bytes:
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def _repacked(data: bytes, changes: dict[str, bytes]) -> bytes:
    """The archive with some entries replaced or added."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in dict.fromkeys([*source.namelist(), *changes]):
            target.writestr(name, changes[name] if name in changes else source.read(name))
    return out.getvalue()


def _lease() -> bytes:
    document = docx.Document()
    document.add_heading("The lease", 0)
    document.add_heading("Rent", 1)
    document.add_paragraph("The tenant pays on the first.")
    document.add_paragraph("keys", style="List Bullet")
    table = document.add_table(3, 2)
    for cell, text in zip(
        (c for row in table.rows for c in row.cells), ("Item", "Price", "Oil", "3", "", "4"), strict=True
    ):
        cell.text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    document.add_heading("Late rent", 2)
    document.add_paragraph("Five per cent.")
    document.add_heading("End", 1)
    document.add_paragraph("A month's notice.")
    return _saved(document)


def test_a_word_document_in_body_order() -> None:
    parsed = read(_lease(), ".docx")
    assert shown(parsed) == [
        ("heading", "The lease"),
        ("heading", "Rent"),
        ("prose", "The tenant pays on the first."),
        ("item", "keys"),
        ("row", "Item: Oil; Price: 3."),
        ("row", "Item: Oil; Price: 4."),
        ("heading", "Late rent"),
        ("prose", "Five per cent."),
        ("heading", "End"),
        ("prose", "A month's notice."),
    ]
    assert parsed.title == "The lease"
    assert path_of(parsed, "Five") == ("The lease", "Rent", "Late rent")
    assert path_of(parsed, "notice") == ("The lease", "End")


def test_insertions_are_read_deletions_are_not_and_content_controls_are() -> None:
    document = docx.Document()
    body = document.element.body
    space = nsdecls("w")
    body.insert(
        0, parse_xml(f"<w:sdt {space}><w:sdtContent><w:p><w:r><w:t>Boxed.</w:t></w:r></w:p></w:sdtContent></w:sdt>")
    )
    body.insert(
        1,
        parse_xml(
            f"<w:p {space}><w:r><w:t>Rent is </w:t></w:r><w:del><w:r><w:delText>five</w:delText></w:r></w:del>"
            "<w:ins><w:r><w:t>six</w:t></w:r></w:ins><w:hyperlink><w:r><w:t> crowns</w:t></w:r></w:hyperlink>"
            "<w:r><w:br/><w:t>a month.</w:t></w:r></w:p>"
        ),
    )
    body.insert(
        2, parse_xml(f'<w:p {space}><w:pPr><w:outlineLvl w:val="1"/></w:pPr><w:r><w:t>Outlined</w:t></w:r></w:p>')
    )
    body.insert(
        3,
        parse_xml(
            f'<w:p {space}><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr><w:r><w:t>one</w:t></w:r></w:p>'
        ),
    )
    assert shown(read(_saved(document), ".docx")) == [
        ("prose", "Boxed."),
        ("prose", "Rent is six crowns\na month."),
        ("heading", "Outlined"),
        ("item", "one"),
    ]


def test_footnotes_follow_the_text() -> None:
    document = docx.Document()
    document.add_paragraph("The lamp burns colza oil.")
    notes = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>'
        '<w:footnote w:id="1"><w:p><w:r><w:t>Until 1860.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    plain = _saved(document)
    with zipfile.ZipFile(BytesIO(plain)) as archive:
        relations = archive.read("word/_rels/document.xml.rels").decode()
    relation = f'<Relationship Id="rIdNotes" Type="{kind}" Target="footnotes.xml"/></Relationships>'
    data = _repacked(
        plain,
        {
            "word/footnotes.xml": notes.encode(),
            "word/_rels/document.xml.rels": relations.replace("</Relationships>", relation).encode(),
        },
    )
    assert shown(read(data, ".docx"))[1:] == [("prose", "Until 1860.")]


def test_slides_with_titles_lists_tables_and_notes() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "The plan"
    slide.placeholders[1].text = "buy oil\nlight the lamp"
    slide.notes_slide.notes_text_frame.text = "Speak slowly."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    second.shapes.add_group_shape().shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "Grouped words."
    table = second.shapes.add_table(2, 2, 0, 0, Inches(2), Inches(2)).table
    for (row, column), text in {(0, 0): "Part", (0, 1): "Price", (1, 0): "wick", (1, 1): "3"}.items():
        table.cell(row, column).text = text
    parsed = read(_saved(deck), ".pptx")
    assert shown(parsed) == [
        ("heading", "The plan"),
        ("item", "buy oil"),
        ("item", "light the lamp"),
        ("prose", "Speak slowly."),
        ("prose", "Grouped words."),
        ("row", "Part: wick; Price: 3."),
    ]
    assert parsed.title == "The plan"
    assert [s.place.slide for s in parsed.segments] == [1, 1, 1, 1, 2, 2]
    assert [s.place.heading_path for s in parsed.segments] == [("The plan",)] * 4 + [()] * 2


def _bomb() -> bytes:
    return _repacked(_lease(), {"word/media/a.bin": bytes(30_000_000)})


def _encrypted_flag() -> bytes:
    data = bytearray(_lease())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx"])
def test_reasons_common_to_office_files(suffix: str) -> None:
    entity = b'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "aaaa">]><t>&a;</t>'
    assert skip_reason(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), suffix) == "encrypted"
    assert skip_reason(_encrypted_flag(), suffix) == "encrypted"
    assert skip_reason(b"just words", suffix) == "type_mismatch"
    assert skip_reason(_repacked(b"PK\x05\x06" + bytes(18), {"a.txt": b"a"}), suffix) == "type_mismatch"
    assert skip_reason(_lease()[:5000], suffix) == "corrupt"
    assert skip_reason(_bomb(), suffix) == "zip_ratio"
    assert skip_reason(_lease(), suffix, Limits(max_zip_entries=3)) == "zip_ratio"
    assert skip_reason(_lease(), suffix, Limits(max_zip_bytes=9_999)) == "zip_ratio"
    assert skip_reason(_repacked(_lease(), {"word/document.xml": entity}), suffix) == "xml_entity"
    assert (
        skip_reason(_repacked(_lease(), {"word/document.xml": entity.decode().encode("utf-16")}), suffix)
        == "xml_entity"
    )


_STYLE_WITHOUT_A_NAME = (
    b'<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    b'<w:style w:type="paragraph" w:styleId="Odd"><w:name/></w:style></w:styles>'
)


def test_an_office_file_of_another_kind_and_damaged_ones() -> None:
    assert skip_reason(_lease(), ".pptx") == "type_mismatch"
    assert skip_reason(_saved(pptx.Presentation()), ".docx") == "type_mismatch"
    assert skip_reason(_lease(), ".xlsx") == "type_mismatch"
    assert skip_reason(_repacked(_lease(), {"word/document.xml": b"<broken"}), ".docx") == "corrupt"
    assert skip_reason(_repacked(_lease(), {"word/styles.xml": _STYLE_WITHOUT_A_NAME}), ".docx") == "corrupt"
    assert skip_reason(_saved(docx.Document()), ".docx") == "empty"
    assert skip_reason(_saved(pptx.Presentation()), ".pptx") == "empty"


def test_a_size_that_lies_is_damage_not_a_bomb() -> None:
    data = bytearray(_repacked(_lease(), {"word/document.xml": b"<a>" + b" " * 5_000_000 + b"</a>"}))
    entry = data.rindex(b"word/document.xml") - 46
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    assert skip_reason(bytes(data), ".docx") == "corrupt"
