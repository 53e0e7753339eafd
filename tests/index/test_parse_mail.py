"""Mail: its header as rows, its words as a text, its attachments by name."""

from __future__ import annotations

from email.message import EmailMessage

from .parsing import read, shown, skip_reason


def _mail(body: str, subtype: str = "plain", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "Ada <ada@example.org>", "To": "alan@example.org", **headers}.items():
        message[name] = value
    message.set_content(body, subtype=subtype)
    return message


def test_a_plain_message() -> None:
    mail = _mail(
        "Dear Alan,\n\n- the lamp\n- the oil\n\n> Is it lit?\n\nYes.\n-- \nAda\n", Subject="Die Lampe fürs Café"
    )
    parsed = read(mail.as_bytes(), ".eml")
    assert shown(parsed) == [
        ("heading", "Die Lampe fürs Café"),
        ("row", "From: Ada <ada@example.org>"),
        ("row", "To: alan@example.org"),
        ("prose", "Dear Alan,"),
        ("furniture", "-"),
        ("item", "the lamp"),
        ("furniture", "-"),
        ("item", "the oil"),
        ("prose", "> Is it lit?"),
        ("prose", "Yes."),
        ("furniture", "--"),
        ("prose", "Ada"),
    ]
    assert parsed.title == "Die Lampe fürs Café"
    assert {s.place.heading_path for s in parsed.segments} == {("Die Lampe fürs Café",)}


def test_html_is_read_only_where_there_is_no_plain_body() -> None:
    both = _mail("Plain words.", Subject="A")
    both.add_alternative("<p>Rich words.</p>", subtype="html")
    assert "Rich" not in read(both.as_bytes(), ".eml").text
    rich = read(_mail("<h1>News</h1><p>Rich words.</p>", "html", Subject="A").as_bytes(), ".eml")
    assert shown(rich)[-2:] == [("heading", "News"), ("prose", "Rich words.")]
    assert rich.segments[-1].place.heading_path == ("A", "News")


def test_attachments_are_named_and_not_opened() -> None:
    mail = _mail("See the file.", Subject="A")
    mail.add_attachment(b"%PDF secret", maintype="application", subtype="pdf", filename="lamp plan.pdf")
    mail.add_attachment(_mail("Inner words.", Subject="Inner"))
    parsed = read(mail.as_bytes(), ".eml")
    assert shown(parsed)[-2:] == [("row", "Attachment: lamp plan.pdf"), ("row", "Attachment: message/rfc822")]
    assert "secret" not in parsed.text
    assert "Inner" not in parsed.text


def test_the_declared_charset_and_one_that_lies() -> None:
    head = b"From: ada@example.org\nContent-Type: text/plain; charset=%s\n\n"
    assert read(head % b"koi8-r" + "Лампа".encode("koi8-r"), ".eml").text.endswith("Лампа")
    assert read(head % b"no-such" + "Lampe für Süd".encode(), ".eml").text.endswith("Lampe für Süd")


def test_a_message_without_words_says_so() -> None:
    mail = EmailMessage()
    mail["From"] = "ada@example.org"
    mail.add_attachment(b"x", maintype="image", subtype="png", filename="lamp.png")
    parsed = read(mail.as_bytes(), ".eml")
    assert parsed.warnings == ("the message has no text",)
    assert parsed.text == "From: ada@example.org\nAttachment: lamp.png"


def test_reasons() -> None:
    assert skip_reason("Just a note without any header.", ".eml") == "type_mismatch"
    assert skip_reason(b"%PDF-1.7", ".eml") == "type_mismatch"
    assert skip_reason("From: " + "(" * 5000 + "\n\nhi\n", ".eml") == "parser_limit"
    assert skip_reason(b"From: a@b.c\n\nnul \x00 byte", ".eml") == "binary"
