"""What is refused before a library sees it: archives that would inflate, XML that declares entities."""

from __future__ import annotations

import zipfile
from io import BytesIO

from index.errors import SkipFile
from index.parse.limits import Limits

_OLE2 = b"\xd0\xcf\x11\xe0"
_CENTRAL_ENTRY = b"PK\x01\x02"  # begins every entry of the central directory
_HARMLESS_BYTES = 10_000_000  # inflating this much is nothing, whatever the ratio
_PROLOG_BYTES = 65_536  # where a DTD must stand; parsers are told besides not to resolve entities
_MARKUP = (".xml", ".rels", ".opf", ".xhtml", ".html", ".htm", ".ncx", ".vml")


def open_archive(data: bytes, limits: Limits, required: str) -> zipfile.ZipFile:
    """The archive, open, its directory checked and nothing inflated but the XML prologs. Close it after use.

    ``required`` is the entry that makes it what its extension says. Raises SkipFile: encrypted, type_mismatch,
    corrupt, zip_ratio, xml_entity."""
    if data.startswith(_OLE2):
        raise SkipFile("encrypted", "an OLE2 container: protected by a password, or older than the extension says")
    if not data.startswith(b"PK"):
        raise SkipFile("type_mismatch", "not a zip archive")
    # Counted in the bytes: the archive's own count can lie, and zipfile takes seconds over a million entries.
    if data.count(_CENTRAL_ENTRY) > limits.max_zip_entries:
        raise SkipFile("zip_ratio", f"more than {limits.max_zip_entries} entries")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise SkipFile("corrupt", str(error)) from error
    entries = archive.infolist()
    inflated = sum(entry.file_size for entry in entries)
    if inflated > limits.max_zip_bytes:
        raise SkipFile("zip_ratio", f"{inflated} bytes when inflated")
    if inflated > max(limits.max_zip_ratio * len(data), _HARMLESS_BYTES):
        raise SkipFile("zip_ratio", f"inflates {inflated // len(data)} times")
    if any(entry.flag_bits & 1 for entry in entries):
        raise SkipFile("encrypted", "the archive is protected by a password")
    if required not in archive.namelist():
        raise SkipFile("type_mismatch", f"a zip archive without {required}")
    for entry in entries:
        if entry.filename.lower().endswith(_MARKUP):
            with archive.open(entry) as stream:
                refuse_entities(stream.read(_PROLOG_BYTES))
    return archive


def refuse_entities(markup: bytes) -> None:
    """Raise SkipFile("xml_entity") when the prolog declares an entity, in an 8-bit encoding or in UTF-16."""
    prolog = markup[:_PROLOG_BYTES].replace(b"\0", b"")
    doctype = prolog.find(b"<!DOCTYPE")
    subset = prolog.find(b"[", doctype)
    # An internal subset opens before the DOCTYPE closes; elsewhere "<!ENTITY" is but text.
    if 0 <= doctype < subset and b">" not in prolog[doctype:subset] and b"<!ENTITY" in prolog[subset:]:
        raise SkipFile("xml_entity")
