"""Fills a documents.db, once: a new one, or a copy of the previous generation's."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from index.schema import (
    INDEXES,
    SCHEMA,
    StoredContent,
    StoredPassage,
    content_digest,
    document_id_of,
    embedding_key,
    passage_digest,
    place_fields,
)
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
    """Fills a documents.db, passages and sentences numbered in the order they are added."""

    def __init__(self, path: Path, rows: tuple[int, int] | None = None) -> None:
        """A new file; or, with ``rows``, the copy of a published one that has so many rows of passages and sentences.

        Its contents stay until finish(), which removes those that were not kept; its documents are to be added anew."""
        self._db = sqlite3.connect(path, isolation_level=None)
        # Durability comes from one fsync of the finished file; a half-written one is never published.
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON; BEGIN;")
        self._kept: set[int] | None = None
        self._places: dict[Place, int] = {}
        self.n_documents = 0
        self.next_content = self.next_row = self.next_sentence = self._next_place = 0
        if rows is None:
            self._add_tables()
        else:
            self._take_over(*rows)

    def _add_tables(self) -> None:
        for statement in SCHEMA.split(";"):
            self._db.execute(statement)

    def _take_over(self, rows: int, sentences: int) -> None:
        self._kept = set()
        self.next_row, self.next_sentence = rows, sentences
        self.next_content = int(self._db.execute("SELECT coalesce(max(content), -1) + 1 FROM contents").fetchone()[0])
        self._next_place = int(self._db.execute("SELECT coalesce(max(place), -1) + 1 FROM places").fetchone()[0])
        self._db.execute("DELETE FROM documents")
        self._db.execute("DELETE FROM skipped")

    def keep(self, content: int) -> int:
        """Have a content of the published file stay; returns its number."""
        assert self._kept is not None, "a new file holds no content yet"
        self._kept.add(content)
        return content

    def add_content(self, content: StoredContent) -> int:
        """Add a text with its passages (their ``row`` and ``first_sentence`` are given anew); returns its number."""
        number = self.next_content
        chars = content.passages[-1].span.end if content.passages else 0
        sentences = sum(len(passage.span.sentences) for passage in content.passages)
        fields = (content.bytes_sha256, content.format, content.text_sha256, content.title, chars,
                  len(content.passages), sentences, json.dumps(content.warnings))  # fmt: skip
        own = content_digest(*fields)
        self._db.execute("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (number, *fields, own))
        for passage in content.passages:
            span = passage.span
            said = [(one.start, one.end, one.kind, at) for one, at in zip(span.sentences, passage.places, strict=True)]
            numbers = (span.start, span.end, span.n_tokens)
            places = [(start, end, kind, place_fields(place)) for start, end, kind, place in said]
            digest = passage_digest(own, passage.key, numbers, place_fields(span.place), places, passage.text)
            self._db.execute(
                "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.next_row, number, span.start, span.end, span.n_tokens, self._place(span.place), passage.text,
                 digest, passage.key, self.next_sentence, len(span.sentences)),
            )  # fmt: skip
            self._db.executemany(
                "INSERT INTO sentences VALUES (?, ?, ?, ?, ?)",
                [
                    (self.next_sentence + i, start, end, kind, self._place(place))
                    for i, (start, end, kind, place) in enumerate(said)
                ],
            )
            self.next_row += 1
            self.next_sentence += len(span.sentences)
        self.next_content += 1
        if self._kept is not None:
            self._kept.add(number)
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
            number = self._places[place] = self._number_of(place)
        return number

    def _number_of(self, place: Place) -> int:
        fields = place_fields(place)
        if self._kept is not None:  # the published file may have it
            found = self._db.execute("SELECT place FROM places WHERE fields = ?", (fields,)).fetchone()
            if found is not None:
                return int(found[0])
        self._db.execute("INSERT INTO places VALUES (?, ?)", (self._next_place, fields))
        self._next_place += 1
        return self._next_place - 1

    def notes(self) -> list[tuple[str, str]]:
        """``(source, note)``: what the parsers had to say of the documents added."""
        rows = self._db.execute(
            "SELECT d.source, c.warnings FROM documents d JOIN contents c ON c.content = d.content"
            " WHERE c.warnings != '[]' ORDER BY d.source"
        ).fetchall()
        return [(source, note) for source, warnings in rows for note in json.loads(warnings)]

    def finish(self) -> None:
        """Remove what was not kept, build the look-up indexes and make the file whole."""
        for statement in INDEXES:
            self._db.execute(statement)
        if self._kept is not None:
            held = {row[0] for row in self._db.execute("SELECT content FROM contents")}
            self._remove(sorted(held - self._kept))
        self._db.execute("COMMIT")

    def _remove(self, contents: Iterable[int]) -> None:
        """Their rows go, and what stood there is overwritten with zeros (secure_delete)."""
        places: set[int] = set()
        for content in contents:
            rows = "SELECT row, first_sentence, n_sentences, place FROM passages WHERE content = ?"
            for row, first, count, place in self._db.execute(rows, (content,)).fetchall():
                span = (first, first + count)
                found = self._db.execute("SELECT place FROM sentences WHERE row >= ? AND row < ?", span)
                places |= {place, *(one for (one,) in found)}
                self._db.execute("DELETE FROM sentences WHERE row >= ? AND row < ?", span)
                self._db.execute("INSERT INTO gone VALUES (?)", (row,))
            self._db.execute("DELETE FROM passages WHERE content = ?", (content,))
            self._db.execute("DELETE FROM contents WHERE content = ?", (content,))
        if places:
            self._remove_places(places)

    def _remove_places(self, places: set[int]) -> None:
        """Those of ``places`` where nothing stands any more: a heading is text as well."""
        asked = json.dumps(sorted(places))
        among = "place IN (SELECT value FROM json_each(?))"
        sql = f"SELECT place FROM sentences WHERE {among} UNION SELECT place FROM passages WHERE {among}"
        used = {row[0] for row in self._db.execute(sql, (asked, asked))}
        self._db.executemany("DELETE FROM places WHERE place = ?", [(place,) for place in places - used])

    def counts(self) -> tuple[int, int]:
        """How many passages and sentences the finished file holds."""
        ((passages, sentences),) = self._db.execute(
            "SELECT coalesce(sum(n_passages), 0), coalesce(sum(n_sentences), 0) FROM contents"
        ).fetchall()
        return int(passages), int(sentences)

    def close(self) -> None:
        self._db.close()
