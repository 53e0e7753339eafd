"""Fills a new documents.db, once."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from index.schema import INDEXES, SCHEMA, StoredContent, StoredPassage, document_id_of, embedding_key
from index.types import Parsed, PassageSpan, Place, Skipped
from index.walk import Stat, printable


def content_of(
    parsed: Parsed, bytes_sha256: str, fmt: str, build: Callable[[Parsed], list[PassageSpan]]
) -> StoredContent:
    """A parsed text cut into passages, ready to be added."""
    segments = {segment.start: segment for segment in parsed.segments}
    starts = sorted(segments)
    passages = []
    for span in build(parsed):
        places = tuple(segments[starts[bisect_right(starts, sentence.start) - 1]].place for sentence in span.sentences)
        text = parsed.text[span.start : span.end]
        passages.append(StoredPassage(-1, span, places, text, embedding_key(parsed.text, span), -1))
    text_sha = sha256(parsed.text.encode()).hexdigest()
    return StoredContent(bytes_sha256, fmt, text_sha, parsed.title, parsed.warnings, tuple(passages))


class Writer:
    """Fills a new documents.db, passages and sentences numbered in the order they are added."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        # Durability comes from one fsync of the finished file; a half-written one is never published.
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;" + SCHEMA)
        self._places: dict[Place, int] = {}
        self.n_contents = self.n_passages = self.n_sentences = self.n_documents = 0

    def add_content(self, content: StoredContent) -> int:
        """Add a text with its passages (their ``row`` and ``first_sentence`` are given anew); returns its number."""
        number = self.n_contents
        chars = content.passages[-1].span.end if content.passages else 0
        sentences = sum(len(passage.span.sentences) for passage in content.passages)
        self._db.execute(
            "INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, content.bytes_sha256, content.format, content.text_sha256, content.title, chars,
             len(content.passages), sentences, json.dumps(content.warnings)),
        )  # fmt: skip
        for passage in content.passages:
            span = passage.span
            self._db.execute(
                "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.n_passages, number, span.start, span.end, span.n_tokens, self._place(span.place), passage.text,
                 sha256(passage.text.encode()).digest(), passage.key, self.n_sentences, len(span.sentences)),
            )  # fmt: skip
            self._db.executemany(
                "INSERT INTO sentences VALUES (?, ?, ?, ?, ?)",
                [
                    (self.n_sentences + i, sentence.start, sentence.end, sentence.kind, self._place(place))
                    for i, (sentence, place) in enumerate(zip(span.sentences, passage.places, strict=True))
                ],
            )
            self.n_passages += 1
            self.n_sentences += len(span.sentences)
        self.n_contents += 1
        return number

    def add_document(self, path: bytes, stat: Stat, bytes_sha256: str, content: int, stale: str = "") -> str:
        """Add a file whose text is ``content``; ``stale`` says why its newest version is not the one indexed."""
        document_id = document_id_of(path, bytes_sha256)
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (document_id, path, printable(path), content, stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode, stale),
        )
        self.n_documents += 1
        return document_id

    def add_skipped(self, path: bytes, skipped: Skipped, stat: Stat) -> None:
        self._db.execute(
            "INSERT INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (path, skipped.source, skipped.reason, skipped.detail, stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode),
        )

    def _place(self, place: Place) -> int:
        number = self._places.get(place)
        if number is None:
            number = self._places[place] = len(self._places)
            fields = [place.heading_path, place.page, place.slide, place.sheet, place.row, place.chapter]
            self._db.execute("INSERT INTO places VALUES (?, ?)", (number, json.dumps(fields)))
        return number

    def notes(self) -> list[tuple[str, str]]:
        """``(source, note)``: what the parsers had to say of the documents added."""
        rows = self._db.execute(
            "SELECT d.source, c.warnings FROM documents d JOIN contents c ON c.content = d.content"
            " WHERE c.warnings != '[]' ORDER BY d.source"
        ).fetchall()
        return [(source, note) for source, warnings in rows for note in json.loads(warnings)]

    def finish(self) -> None:
        """Build the look-up indexes and make the file whole."""
        for statement in INDEXES:
            self._db.execute(statement)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()
