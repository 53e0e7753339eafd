"""What documents.db holds, and the names of things: shared by the one that writes it and the one that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from index.types import PassageSpan, Place
from index.walk import Stat

SCHEMA = """
CREATE TABLE contents (content INTEGER PRIMARY KEY, bytes_sha256 TEXT, format TEXT, text_sha256 TEXT, title TEXT,
    n_chars INTEGER, n_passages INTEGER, n_sentences INTEGER, warnings TEXT, digest BLOB,
    UNIQUE (bytes_sha256, format));
CREATE TABLE documents (document_id TEXT PRIMARY KEY, path BLOB UNIQUE, source TEXT, content INTEGER, size INTEGER,
    mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, stale TEXT);
CREATE TABLE places (place INTEGER PRIMARY KEY, fields TEXT UNIQUE);
CREATE TABLE passages (row INTEGER PRIMARY KEY, content INTEGER, start INTEGER, "end" INTEGER, n_tokens INTEGER,
    place INTEGER, text TEXT, digest BLOB, key BLOB, first_sentence INTEGER, n_sentences INTEGER);
CREATE TABLE sentences (row INTEGER PRIMARY KEY, start INTEGER, "end" INTEGER, kind TEXT, place INTEGER);
CREATE TABLE gone (row INTEGER PRIMARY KEY);
CREATE TABLE skipped (path BLOB, source TEXT, reason TEXT, detail TEXT, size INTEGER, mtime_ns INTEGER,
    ctime_ns INTEGER, inode INTEGER);
"""
INDEXES = (
    "CREATE INDEX IF NOT EXISTS passages_content ON passages (content)",
    "CREATE INDEX IF NOT EXISTS passages_key ON passages (key)",
    "CREATE INDEX IF NOT EXISTS documents_content ON documents (content)",
    "CREATE INDEX IF NOT EXISTS documents_source ON documents (source)",
)


def document_id_of(path: bytes, bytes_sha256: str) -> str:
    """Names one version of one file, 20 hex digits: another path or other bytes make another document."""
    return sha256(path + b"\0" + bytes_sha256.encode()).hexdigest()[:20]


def passage_id_of(document_id: str, start: int, end: int) -> str:
    return f"{document_id}-{start}-{end}"


def place_fields(place: Place) -> str:
    """A place as it is stored."""
    return json.dumps([place.heading_path, place.page, place.slide, place.sheet, place.row, place.chapter])


def content_digest(*fields: str | int) -> bytes:
    """Vouches for a row of contents, all its columns but the number and this one, in their order."""
    return sha256(json.dumps(fields).encode()).digest()


def passage_digest(
    content: bytes,
    key: bytes,
    numbers: tuple[int, int, int],
    place: str,
    sentences: Iterable[tuple[int, int, str, str]],
    text: str,
) -> bytes:
    """Vouches for all that is shown of a passage: its words, where they stand (``numbers``: start, end, tokens), and of
    which ``content`` (its digest) they are; and for the embedding key by which the next build finds its vectors. With
    the document's id, which names path and bytes, it holds a citation together. Places are as they are stored.

    No digest covers a document's size, whether it is stale, and of what it is a duplicate."""
    digest = sha256(content + key)
    digest.update(json.dumps([*numbers, place, list(sentences)]).encode())
    digest.update(text.encode())
    return digest.digest()


def embedding_key(text: str, span: PassageSpan) -> bytes:
    """Names what the encoder sees of a passage: its text without outer white space, and where its sentences lie.

    Equal keys get equal vectors, so a passage whose key is known is never embedded again."""
    body = text[span.start : span.end]
    lead = span.start + len(body) - len(body.lstrip())
    digest = sha256(body.strip().encode())
    for sentence in span.sentences:
        digest.update(b"%d:%d;" % (sentence.start - lead, sentence.end - lead))
    return digest.digest()


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A document as the live generation has it; enough to tell whether the file is still the same."""

    path: bytes
    stat: Stat
    document_id: str
    content: int
    bytes_sha256: str
    format: str
    n_passages: int


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage row as one build hands it to the next."""

    row: int
    span: PassageSpan
    places: tuple[Place, ...]  # of its sentences
    text: str
    key: bytes
    first_sentence: int


@dataclass(frozen=True, slots=True)
class StoredContent:
    bytes_sha256: str
    format: str
    text_sha256: str
    title: str
    warnings: tuple[str, ...]
    passages: tuple[StoredPassage, ...]
