"""From the bytes of a file to its canonical text and segments: one module per family of formats.

Adding a format is one row of FORMATS and one function ``(bytes, Limits) -> Parsed``. A parser's module names the
exceptions its library raises on damaged files in DAMAGE; here they become SkipFile, with the library's own words.
"""

from __future__ import annotations

import importlib
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace

from index.errors import SkipFile
from index.parse.hidden import note_of_unicode
from index.parse.limits import Limits
from index.types import Parsed

__all__ = ["FORMATS", "PARSER_VERSION", "Format", "Limits", "format_of", "parse"]

PARSER_VERSION = "2"
"""Part of the index's fingerprint: raise it whenever the same bytes could give another text or other segments."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file and the function that reads it, by name: libraries are imported when a file first needs them."""

    name: str  # as Document.format
    module: str  # within index.parse
    function: str = "parse"


FORMATS: dict[str, Format] = {
    ".txt": Format("txt", "plain"),
    ".text": Format("txt", "plain"),
    ".md": Format("md", "markdown"),
    ".markdown": Format("md", "markdown"),
    ".html": Format("html", "html"),
    ".htm": Format("html", "html"),
    ".xhtml": Format("html", "html"),
    ".pdf": Format("pdf", "pdf"),
    ".docx": Format("docx", "docx"),
    ".pptx": Format("pptx", "pptx"),
    ".xlsx": Format("xlsx", "tables", "parse_xlsx"),
    ".csv": Format("csv", "tables", "parse_csv"),
    ".tsv": Format("tsv", "tables", "parse_csv"),
    ".eml": Format("eml", "mail"),
    ".epub": Format("epub", "epub"),
}

_DAMAGE: tuple[type[Exception], ...] = (
    ValueError,
    LookupError,
    OSError,
    EOFError,
    NotImplementedError,  # zipfile: an unknown compression method
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_DEFAULT_LIMITS = Limits()
_MAX_DETAIL_CHARS = 200


def format_of(suffix: str) -> str:
    """Name of the format read for a suffix such as ``.PDF``; "" when no parser reads it."""
    known = FORMATS.get(suffix.lower())
    return known.name if known else ""


def parse(data: bytes, suffix: str, limits: Limits = _DEFAULT_LIMITS) -> Parsed:
    """Text, segments and title of a file's bytes; the suffix chooses the parser, case ignored.

    Raises SkipFile with a typed reason for whatever cannot be read, and nothing else on account of the data."""
    known = FORMATS.get(suffix.lower())
    if known is None:
        raise SkipFile("unsupported", f"no parser reads {suffix or 'a file without extension'}")
    if not data.strip():
        raise SkipFile("empty")
    # Late, so that reading one .txt imports neither lxml nor an office library.
    module = importlib.import_module(f"index.parse.{known.module}")
    damage: tuple[type[Exception], ...] = (*_DAMAGE, *getattr(module, "DAMAGE", ()))
    try:
        parsed: Parsed = getattr(module, known.function)(data, limits)
    except (RecursionError, MemoryError) as error:
        raise SkipFile("parser_limit", _one_line(error)) from error
    except damage as error:
        raise SkipFile("corrupt", _one_line(error)) from error
    note = note_of_unicode(parsed.text)
    return replace(parsed, warnings=(*parsed.warnings, note)) if note else parsed


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_MAX_DETAIL_CHARS]
