"""Mail: who wrote to whom and when, and what they said. Attachments are named and never opened."""

from __future__ import annotations

import email
import email.errors
import email.policy
from email.message import EmailMessage, MIMEPart

from index.errors import SkipFile
from index.parse.builder import Outline, TextBuilder, one_line
from index.parse.decode import clean, decode, refuse_foreign
from index.parse.limits import Limits
from index.parse.plain import segment
from index.types import Parsed, Place

# The header parsers of the standard library meet hostile headers with these.
DAMAGE = (email.errors.MessageError, AttributeError, TypeError, AssertionError)

_SHOWN = ("From", "To", "Cc", "Date")


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of one message; its subject is title and heading. A plain body is preferred to an HTML one."""
    refuse_foreign(data)
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not isinstance(message, EmailMessage) or not any(name in message for name in (*_SHOWN, "Subject", "Received")):
        raise SkipFile("type_mismatch", "no mail header")
    builder = TextBuilder(limits)
    subject = one_line(str(message.get("Subject", "")))
    place = Place((subject,) if subject else ())
    builder.add(subject, "heading", place)
    for name in _SHOWN:
        for value in message.get_all(name, ()):
            builder.add(f"{name}: {one_line(str(value))}", "row", place)
    _add_body(builder, message, place)
    for part in message.iter_attachments() if message.is_multipart() else ():
        builder.add(f"Attachment: {one_line(part.get_filename() or part.get_content_type())}", "row", place)
    return builder.parsed(subject)


def _add_body(builder: TextBuilder, message: EmailMessage, place: Place) -> None:
    body = message.get_body(("plain", "html"))
    if body is None:
        builder.warn("the message has no text")
        return
    content = _text(builder, body)
    if body.get_content_subtype() == "html":
        # Late: lxml is needed only by mail without a plain body.
        from index.parse.html import add_html

        add_html(builder, content, place, Outline(place.heading_path))
        return
    text = content.strip()
    builder.add_segmented(text, segment(text, builder.limits, place, titled=False)[1])


def _text(builder: TextBuilder, body: MIMEPart) -> str:
    payload = body.get_payload(decode=True)
    if not isinstance(payload, bytes) or not payload:
        return ""
    text, warnings = decode(payload, body.get_content_charset(""))
    for warning in warnings:
        builder.warn(warning)
    return clean(text)
