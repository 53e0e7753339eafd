"""From bytes to clean text: which encoding, and is it text at all."""

from __future__ import annotations

import codecs
import re
import unicodedata

from index.errors import SkipFile

_BOMS = (  # the UTF-32 marks first: UTF-16's little-endian mark is how one of them begins
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FOREIGN = ((b"%PDF-", "a PDF"), (b"PK\x03\x04", "a zip archive"), (b"\xd0\xcf\x11\xe0", "an OLE2 file"))
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
_MAX_CONTROL_SHARE = 0.05  # random bytes have 0.10, text has next to none
_MAX_BAD_SHARE = 0.10  # of bytes that are not UTF-8, for a text to be mended rather than guessed at
_SAMPLE_BYTES = 65_536  # of the lines with non-ASCII bytes, shown to the detector
_MIN_COHERENCE = 0.1  # charset-normalizer's likeness to a language; wrong guesses scored 0 in our trials
_MIN_WORDY_SHARE = 0.9  # of its non-ASCII characters that are letters or punctuation, not symbols
_FEW_SHARE = 0.01  # of bytes beyond ASCII: too few to tell encodings apart, and quotes or accents in English
_NEAR = 0.05  # candidates this close are equally good, and Windows-1252 is the commonest by far

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?")
_NEWLINES = re.compile(r"\r\n?|[\v\f\x85]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff]")
_UNCLEAN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
_NATURAL = re.compile(
    r"(?<=[A-Za-z])[À-ɏ]|[À-ɏ](?=[A-Za-z])|[‘’“”–—…•€™£§°©®±½«»¿¡\xa0]|[^\x00-ɏ]"  # an accent stands by plain letters
)


def clean(text: str) -> str:
    """The text with every line end as "\\n" and without terminal escapes, control characters and lone surrogates."""
    if not _UNCLEAN.search(text):
        return text
    return _CONTROLS.sub("", _NEWLINES.sub("\n", _ANSI.sub("", text)))


def refuse_foreign(data: bytes) -> None:
    """Raise SkipFile("type_mismatch") for a PDF or an archive that goes by the name of a text format."""
    for magic, what in _FOREIGN:
        if data.startswith(magic):
            raise SkipFile("type_mismatch", f"the content is {what}")


def decode(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Clean text of the bytes, and warnings when the encoding was guessed or bytes were replaced.

    ``declared`` is the encoding the file itself names; it is believed when the bytes are not UTF-8 and it fits.
    Raises SkipFile: type_mismatch, binary, encoding."""
    refuse_foreign(data)
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _replacing(data[len(bom) :], encoding)
    if wide := _wide_encoding(data):
        return _replacing(data, wide)
    controls = len(data) - len(data.translate(None, _CONTROL_BYTES))
    if b"\0" in data or controls > _MAX_CONTROL_SHARE * len(data):
        raise SkipFile("binary")
    for encoding in ("utf-8", declared):
        if (text := _strictly(data, encoding)) is not None:
            return clean(text), ()
    return _guess(data)


def _strictly(data: bytes, encoding: str) -> str | None:
    """The text, or None when the bytes are not in this encoding or there is none of this name."""
    try:
        # Browsers read Latin-1 as Windows-1252, and so do the pages that declare it.
        name = codecs.lookup(encoding).name
        return data.decode("cp1252" if name == "iso8859-1" else name)
    except (LookupError, UnicodeError):
        return None


def _replacing(data: bytes, encoding: str) -> tuple[str, tuple[str, ...]]:
    text = data.decode(encoding, errors="replace")
    bad = text.count("\ufffd")
    if bad > _MAX_BAD_SHARE * max(len(text), 1):
        raise SkipFile("encoding", f"{bad} places are not {encoding}")
    return clean(text), (f"{bad} places are not {encoding} and were replaced by U+FFFD",) if bad else ()


def _wide_encoding(data: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, told by where the NUL bytes of its ASCII letters stand; "" for neither."""
    for size, encodings in ((4, ("utf-32-le", "utf-32-be")), (2, ("utf-16-le", "utf-16-be"))):
        if len(data) % size or b"\0" not in data:
            continue
        for encoding, high in zip(encodings, (size - 1, 0), strict=True):
            letters = data[high::size].count(0) * size > 0.4 * len(data) and 0 not in data[size - 1 - high :: size]
            text = _strictly(data, encoding) if letters else None
            if text is not None and not _CONTROLS.search(text):
                return encoding
    return ""


def _guess(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Text of bytes that are not UTF-8: mended when nearly so, else in the encoding that makes most sense of them."""
    text = data.decode("utf-8", errors="replace")
    bad, high = text.count("\ufffd"), len(data) - len(data.translate(None, bytes(range(128, 256))))
    multibyte = sum(char > "\x7f" for char in text) - bad
    mended = clean(text), (f"{bad} places are not UTF-8 and were replaced by U+FFFD",)
    if multibyte >= 2 * bad:
        return mended
    few = high < _FEW_SHARE * len(data)
    for encoding in ("cp1252",) if few else (_detect(data), "cp1252"):
        guessed = _strictly(data, encoding)
        if guessed is not None and _reads_naturally(guessed):
            return clean(guessed), (f"not UTF-8; read as {encoding}",)
    if bad <= _MAX_BAD_SHARE * len(data):
        return mended
    raise SkipFile("encoding")


def _detect(data: bytes) -> str:
    """Name of the encoding in which the bytes look most like a language; "" when none does."""
    from charset_normalizer import from_bytes  # late: hardly any file comes this far

    lines = [line for line in data.split(b"\n") if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE_BYTES]
    wide = ["utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "utf_7"]
    matches = from_bytes(sample, cp_exclusion=wide)
    best = matches.best()
    if best is None or best.coherence < _MIN_COHERENCE:
        return ""
    for match in matches:
        near = match.chaos <= best.chaos and match.coherence >= best.coherence - _NEAR
        if near and "cp1252" in match.could_be_from_charset:
            return "cp1252"
    return best.encoding


def _reads_naturally(text: str) -> bool:
    """Whether the characters beyond ASCII are letters among letters and punctuation, not strays and symbols."""
    strange = [char for char in text if char > "\x7f"]
    wordy = sum(unicodedata.category(char)[0] in "LMNPZ" or char in "€™£°©®±" for char in strange)
    return wordy >= _MIN_WORDY_SHARE * len(strange) and 2 * len(_NATURAL.findall(text)) >= len(strange)
