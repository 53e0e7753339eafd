"""Makers of files that mean harm: archives, PDFs and texts, each a few lines, so that none has to be kept."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO

import docx
import openpyxl
from reportlab.lib.colors import white
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
CONTENT_TYPES = "[Content_Types].xml"


def word(text: str) -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def sheet(*rows: Sequence[str]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(data: bytes, changes: dict[str, bytes | str], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive with some entries replaced or added."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(out, "w", method) as target:
        for name in dict.fromkeys([*source.namelist(), *changes]):
            target.writestr(name, changes[name] if name in changes else source.read(name))
    return out.getvalue()


def entry(data: bytes, name: str) -> str:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return archive.read(name).decode()


def many_entries(count: int) -> bytes:
    """A small archive whose directory lists ``count`` entries, all of them the same few bytes: they overlap too."""
    data = repacked(EMPTY_ZIP, {CONTENT_TYPES: "x"}, method=zipfile.ZIP_STORED)
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    size = len(entry) * count
    lying = min(count, 0xFFFF).to_bytes(2, "little")
    return data[:start] + entry * count + end[:8] + lying * 2 + size.to_bytes(4, "little") + end[16:]


def zip64(data: bytes) -> bytes:
    """The same archive with entries as those of more than 4 GB are written."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            with target.open(name, "w", force_zip64=True) as stream:
                stream.write(source.read(name))
    return out.getvalue()


def pdf(*lines: str, password: str = "", owner: str = "", hidden: str = "", how: str = "", pages: int = 1) -> bytes:
    """Lines on each of ``pages`` pages, and ``hidden`` ones that are not seen: by mode, white, tiny or outside."""
    out = BytesIO()
    lock = StandardEncryption(password, owner or "owner") if password or owner else None
    canvas = Canvas(out, pagesize=(595, 842), encrypt=lock)
    for _ in range(pages):
        text = canvas.beginText(72, 700)
        text.setFont("Helvetica", 11)
        for line in lines:
            text.textLine(line)
        if hidden:
            match how:
                case "mode":
                    text.setTextRenderMode(3)
                case "white":
                    text.setFillColor(white)
                case "tiny":
                    text.setFont("Helvetica", 1)
                case "outside":
                    text.setTextOrigin(72, -300)
            text.textLine(hidden)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def raw_pdf(*objects: bytes, root: int = 1, size: int = 0, xref: bool = True) -> bytes:
    """A PDF of these objects, numbered from 1, with a cross-reference table that is right unless told."""
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out) if xref else 999_999
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF" % (size or len(objects) + 1, root, start)
    return bytes(out)


def pdf_page(content: bytes, filters: bytes = b"", resources: bytes = b"", catalog: bytes = b"") -> bytes:
    """A PDF of one page with this content stream."""
    font = b"/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << %s %s >> >>"
        % (font, resources),
        b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), filters, content),
    )


def pdf_words(words: str) -> bytes:
    return b"BT /F 11 Tf 72 700 Td (%s) Tj ET" % words.encode()


def flate_bomb(size: int) -> bytes:
    """``size`` bytes of blanks, packed twice over. A block that ends with a full flush can be repeated as it is."""
    packer = zlib.compressobj(9)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    return zlib.compress(head + block * (size // 1_000_000) + packer.flush(), 9)


def epub(chapter: str) -> bytes:
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>'
        '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>'
    )
    return repacked(EMPTY_ZIP, {"META-INF/container.xml": container, "book.opf": package, "c.xhtml": chapter})
