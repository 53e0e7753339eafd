"""Bytes to text: right, mended and said so, or refused; never quietly wrong."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import SkipFile
from index.parse.decode import clean, decode

ENGLISH = "It’s the keeper’s lamp — “always lit”, he said at the café."
RUSSIAN = "Смотритель зажигает лампу каждый вечер. Так было всегда, и так будет завтра."


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_unicode_with_a_mark_or_with_ascii_letters_is_read_silently(encoding: str) -> None:
    assert decode("The lamp is lit.".encode(encoding)) == ("The lamp is lit.", ())


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "cp1252"),
        ("Der Wächter müsste die Straße überqueren, größer ist die Brücke.", "latin-1"),
        (RUSSIAN, "cp1251"),
        ("これは日本語の文章です。東京は日本の首都であり、世界最大の都市の一つです。", "shift_jis"),
    ],
)
def test_older_encodings_are_told_and_named(text: str, encoding: str) -> None:
    decoded, warnings = decode(text.encode(encoding))
    assert decoded == text
    assert warnings[0].startswith("not UTF-8; read as cp")


def test_a_declared_encoding_is_believed_when_it_fits() -> None:
    assert decode(RUSSIAN.encode("koi8-r"), "KOI8-R") == (RUSSIAN, ())
    assert decode(ENGLISH.encode("cp1252"), "iso-8859-1") == (ENGLISH, ())
    assert decode(b"plain", "no-such-encoding") == ("plain", ())


def test_a_few_bad_bytes_are_replaced_and_counted() -> None:
    text, warnings = decode("Grüße aus dem Süden. ".encode() * 3 + b"\xff" + b" The end.")
    assert text.endswith(". \ufffd The end.")
    assert warnings == ("1 places are not UTF-8 and were replaced by U+FFFD",)
    assert decode(b"The keeper \xff\xfe lights the lamp every evening. " * 3)[0].count("\ufffd") == 6
    assert decode(codecs.BOM_UTF16_LE + "The lamp is lit".encode("utf-16-le") + b"\x00\xd8")[1]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(40), "binary"),
        (b"a\x00b", "binary"),
        (bytes(range(1, 9)) * 9, "binary"),
        (b"%PDF-1.7 ...", "type_mismatch"),
        (b"PK\x03\x04 ...", "type_mismatch"),
        (b"\xd0\xcf\x11\xe0 ...", "type_mismatch"),
        (RUSSIAN[:30].encode("koi8-r"), "encoding"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8" * 9, "encoding"),
    ],
)
def test_what_is_not_text_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(SkipFile) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_clean_leaves_what_a_reader_sees() -> None:
    assert clean("\ufeffa\r\nb\rc\x0cd\x85e\tf\x00\x07g") == "a\nb\nc\nd\ne\tfg"
    assert clean("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07") == "red link"
    assert clean("lone \ud800 half") == "lone  half"


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_a_reason(data: bytes) -> None:
    try:
        text, _ = decode(data)
    except SkipFile as skipped:
        assert skipped.reason in {"binary", "encoding", "type_mismatch"}
    else:
        assert clean(text) == text


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), min_size=1))
def test_utf8_comes_back_as_it_went_in(text: str) -> None:
    assert decode(text.encode()) == (text, ())
