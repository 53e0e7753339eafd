"""An e-book is read chapter by chapter, in the order of its spine."""

from __future__ import annotations

import zipfile
from io import BytesIO

from .parsing import read, shown, skip_reason

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The lamp</dc:title></metadata><manifest>
<item id="nav" href="nav.xhtml" properties="nav"/><item id="two" href="text/two%20b.xhtml"/>
<item id="one" href="one.xhtml"/><item id="gone" href="gone.xhtml"/></manifest>
<spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/><itemref idref="gone"/></spine></package>"""


def _page(title: str, body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>{title}</title></head><body>{body}</body></html>"
    )


def _book(**changes: str) -> bytes:
    entries = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": _page("Contents", "<p>one, two</p>"),
        "OEBPS/one.xhtml": _page("Preface", "<p>Written on the island.</p>"),
        "OEBPS/text/two b.xhtml": _page("The lamp", "<h1>Dusk</h1><p>It is lit.</p><h2>Oil</h2><p>Colza.</p>"),
    }
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in {**entries, **{key.replace("__", "/"): text for key, text in changes.items()}}.items():
            archive.writestr(name, text)
    return out.getvalue()


def test_chapters_in_reading_order() -> None:
    parsed = read(_book(), ".epub")
    assert shown(parsed) == [
        ("prose", "Written on the island."),
        ("heading", "Dusk"),
        ("prose", "It is lit."),
        ("heading", "Oil"),
        ("prose", "Colza."),
    ]
    assert parsed.title == "The lamp"
    assert [s.place.chapter for s in parsed.segments] == ["Preface"] + ["Dusk"] * 4
    assert [s.place.heading_path for s in parsed.segments] == [
        ("Preface",),
        ("Dusk",),
        ("Dusk",),
        ("Dusk", "Oil"),
        ("Dusk", "Oil"),
    ]
    assert parsed.warnings == ("the chapter OEBPS/gone.xhtml is missing",)


def test_reasons() -> None:
    locked = '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'
    fonts = '<encryption><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></encryption>'
    entity = '<!DOCTYPE html [<!ENTITY a "aaaa">]><html><body>&a;</body></html>'
    assert skip_reason(_book(**{"META-INF__encryption.xml": locked}), ".epub") == "encrypted"
    assert read(_book(**{"META-INF__encryption.xml": fonts}), ".epub").title == "The lamp"
    assert skip_reason(_book(**{"OEBPS__one.xhtml": entity}), ".epub") == "xml_entity"
    assert skip_reason(_book(**{"META-INF__container.xml": "<container/>"}), ".epub") == "corrupt"
    assert skip_reason(_book(**{"OEBPS__book.opf": "<package"}), ".epub") == "corrupt"
    assert skip_reason(b"not a zip", ".epub") == "type_mismatch"
