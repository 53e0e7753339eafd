"""documents.db, read: documents, their texts as tiling passages, sentence spans.

A canonical text is stored once, as its passages: they tile it, so the text is their concatenation and a passage is
read without touching the rest. Documents with the same bytes share one content.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.disk import let_shortage_pass
from index.errors import CorruptGeneration, NotFound
from index.manifest import REBUILD
from index.schema import (
    INDEXES,
    SCHEMA,
    KnownFile,
    StoredContent,
    StoredPassage,
    content_digest,
    document_id_of,
    passage_digest,
    passage_id_of,
)
from index.types import Document, Passage, PassageSpan, Place, Sentence, SentenceSpan, Skipped
from index.walk import Stat, printable

_ROWS_AT_A_TIME = 1_000  # of a table that is read through
_FIELDS = (
    "d.document_id, d.path, d.source, c.title, c.format, c.bytes_sha256, c.text_sha256, d.size, c.n_chars,"
    " c.n_passages, c.n_sentences, c.warnings, c.digest, d.stale,"
    " (SELECT min(o.source) FROM documents o JOIN contents p ON p.content = o.content"
    "  WHERE p.text_sha256 = c.text_sha256) AS first_source"
)
_DOCUMENTS = " FROM documents d JOIN contents c ON c.content = d.content"
_DOCUMENT = f"SELECT {_FIELDS}{_DOCUMENTS}"


class Store:
    """A published documents.db. Opened immutable: SQLite takes no lock and writes nothing. Safe to use from threads."""

    def __init__(self, path: Path) -> None:
        """Raises CorruptGeneration when it cannot be opened, and OSError for want of file handles."""
        self._path = path
        try:
            with path.open("rb"):  # SQLite says that it cannot open a file, and not why
                pass
            self._db = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            let_shortage_pass(error)
            raise CorruptGeneration(
                f"{path.name} cannot be opened ({type(error).__name__}).", remedy=REBUILD
            ) from error
        self._lock = threading.Lock()
        self._places: dict[int, tuple[Place, str]] = {}
        self._spans = np.zeros((0, 2), dtype=np.int64)  # by passage row; (0, 0) where not known yet

    def close(self) -> None:
        self._db.close()

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            let_shortage_pass(error)
            raise CorruptGeneration(
                f"{self._path.name} cannot be read ({type(error).__name__}).", remedy=REBUILD
            ) from error

    def check(self) -> None:
        """Raises CorruptGeneration unless it holds the tables and indexes of a build, and no view or trigger, which
        could compute."""
        asked = "SELECT type, name, tbl_name, sql FROM sqlite_master"
        with closing(sqlite3.connect(":memory:")) as model:
            for statement in (*SCHEMA.split(";"), *INDEXES):
                model.execute(statement)
            expected = set(model.execute(asked))
        if set(self._all(asked)) != expected:
            raise CorruptGeneration(f"{self._path.name} has not the tables of a build.", remedy=REBUILD)

    def counts(self) -> tuple[int, int]:
        """How many documents and passages there are."""
        ((documents, passages),) = self._all("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)")
        return int(documents), int(passages)

    # -- documents ---------------------------------------------------------------------------------------------------

    def documents(self) -> list[Document]:
        """Every document, sorted by source. Raises CorruptGeneration."""
        return [_document(row) for row in self._all(_DOCUMENT + " ORDER BY d.source, d.document_id")]

    def document(self, document_id: str) -> Document:
        """Raises NotFound, CorruptGeneration."""
        rows = self._all(_DOCUMENT + " WHERE d.document_id = ?", (document_id,))
        if not rows:
            raise NotFound(
                f"There is no document {document_id!r} in this index.", remedy="List them: GET /v1/documents."
            )
        return _document(rows[0])

    def resolve(self, names: Iterable[str]) -> list[str]:
        """The ids of the documents called ``names``, each an id or a source; those not indexed are left out."""
        found: list[str] = []
        for name in names:
            rows = self._all("SELECT document_id FROM documents WHERE document_id = ? OR source = ?", (name, name))
            found.extend(row[0] for row in rows if row[0] not in found)
        return found

    def text(self, document_id: str) -> str:
        """The canonical text of a document. Raises NotFound, and CorruptGeneration when it is not what was indexed."""
        document = self.document(document_id)
        rows = self._all(
            "SELECT p.text FROM passages p JOIN documents d ON d.content = p.content"
            " WHERE d.document_id = ? ORDER BY p.row",
            (document_id,),
        )
        with _sound(f"The stored text of {document.source}"):
            text = "".join(row[0] for row in rows)
            _hold(sha256(text.encode()).hexdigest() == document.text_sha256)
        return text

    def location(self, document_id: str) -> tuple[bytes, Stat, str]:
        """Path below the source folder, stat and SHA-256 of the file as it was when indexed. Raises NotFound,
        CorruptGeneration."""
        rows = self._all(
            "SELECT d.path, d.size, d.mtime_ns, d.ctime_ns, d.inode, c.bytes_sha256 FROM documents d"
            " JOIN contents c ON c.content = d.content WHERE d.document_id = ?",
            (document_id,),
        )
        if not rows:
            raise NotFound(f"There is no document {document_id!r} in this index.")
        path, size, mtime, ctime, inode, digest = rows[0]
        with _sound(f"The entry of document {document_id}"):
            _hold(document_id == document_id_of(path, digest))
        return path, Stat(size, mtime, ctime, inode), digest

    # -- passages ----------------------------------------------------------------------------------------------------

    def passages(self, rows: Sequence[int], among: Sequence[str] = ()) -> list[Passage]:
        """The passages with these row numbers, in that order, each checked against its digest. Raises
        CorruptGeneration.

        A text that several documents share is shown as the first of them, or the first of ``among``."""
        wanted = tuple(dict.fromkeys(rows))
        stored = {
            row: fields
            for row, *fields in self._all(
                'SELECT p.row, p.content, c.digest, p.start, p."end", p.n_tokens, p.place, p.text, p.digest, p.key'
                " FROM passages p JOIN contents c ON c.content = p.content"
                f" WHERE p.row IN ({_marks(wanted)})",
                wanted,
            )
        }
        # In this order of the two, which a planner that knows little of them might turn around.
        sentences: dict[int, list[tuple[Any, ...]]] = {}
        for row, *sentence in self._all(
            'SELECT p.row, s.row, s.start, s."end", s.kind, s.place FROM passages p CROSS JOIN sentences s'
            " ON s.row >= p.first_sentence AND s.row < p.first_sentence + p.n_sentences"
            f" WHERE p.row IN ({_marks(wanted)}) ORDER BY s.row",
            wanted,
        ):
            sentences.setdefault(row, []).append(tuple(sentence))
        contents = tuple({fields[0] for fields in stored.values()})
        owners: dict[int, list[Document]] = {}
        for content, *owner in self._all(
            f"SELECT d.content, {_FIELDS}{_DOCUMENTS} WHERE d.content IN ({_marks(contents)})"
            " ORDER BY d.source, d.document_id",
            contents,
        ):
            owners.setdefault(content, []).append(_document(tuple(owner)))
        read = {row: self._passage(row, stored, sentences.get(row, []), owners, among) for row in wanted}
        return [read[row] for row in rows]

    def passage_by_id(self, passage_id: str) -> Passage:
        """Raises NotFound, CorruptGeneration."""
        document_id, _, span = passage_id.partition("-")
        start, _, end = span.partition("-")
        if start.isdecimal() and end.isdecimal() and len(start) < 12 and len(end) < 12:
            rows = self._all(
                "SELECT p.row FROM passages p JOIN documents d ON d.content = p.content"
                ' WHERE d.document_id = ? AND p.start = ? AND p."end" = ?',
                (document_id, int(start), int(end)),
            )
            if rows:
                (passage,) = self.passages([rows[0][0]], (document_id,))
                with _sound(f"The entry of passage {passage_id}"):
                    _hold(passage.passage_id == passage_id)
                return passage
        raise NotFound(f"There is no passage {passage_id!r} in this generation.")

    def _passage(
        self,
        row: int,
        stored: Mapping[int, Sequence[Any]],
        sentences: Sequence[tuple[Any, ...]],
        owners: Mapping[int, Sequence[Document]],
        among: Sequence[str],
    ) -> Passage:
        """Of the fields ``stored`` of its row, those of its ``sentences``, and the documents that own its content."""
        with _sound(f"Passage {row}"):
            content, own, start, end, n_tokens, where, text, digest, key = stored[row]
            place, place_fields = self._place(where)
            places = [self._place(at) for *_, at in sentences]
            said = [(a, b, kind, fields) for (_, a, b, kind, _), (_, fields) in zip(sentences, places, strict=True)]
            _hold(digest == passage_digest(own, key, (start, end, n_tokens), place_fields, said, text))
            document = next((one for one in owners[content] if one.document_id in among), owners[content][0])
        read = tuple(
            Sentence(number, a, b, kind, text[a - start : b - start], at)
            for (number, a, b, kind, _), (at, _) in zip(sentences, places, strict=True)
        )
        passage_id = passage_id_of(document.document_id, start, end)
        return Passage(passage_id, row, document, start, end, text, n_tokens, place, read)

    def sentence_spans(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """(len(rows), 2): the sentence rows [first, end) of the passages ``rows``. Raises CorruptGeneration.

        They are asked for with every search, of a hundred passages and more, and kept."""
        spans = self._spans
        if (size := max(rows, default=0) + 1) > len(spans):
            grown = np.zeros((2 * size, 2), dtype=np.int64)  # takes memory where something is put
            grown[: len(spans)] = spans
            self._spans = spans = grown  # what another thread finds out meanwhile is asked once more
        with _sound("The list of sentences"):
            new = tuple(row for row in rows if not spans[row, 1])
            for row, first, end in self._all(
                f"SELECT row, first_sentence, first_sentence + n_sentences FROM passages WHERE row IN ({_marks(new)})",
                new,
            ):
                _hold(0 <= first < end)
                spans[row] = first, end
            found = spans[list(rows)]
            _hold(bool(found[:, 1].all()))
        return found

    def rows_of(self, document_ids: Sequence[str]) -> list[int]:
        """The passage rows of these documents, ascending."""
        return [
            row[0]
            for row in self._all(
                "SELECT row FROM passages WHERE content IN"
                f" (SELECT content FROM documents WHERE document_id IN ({_marks(document_ids)})) ORDER BY row",
                tuple(document_ids),
            )
        ]

    def lexical_rows(self, first: int = 0) -> Iterator[tuple[int, str, str]]:
        """``(row, text, title and headings)`` of every passage from row ``first`` on, for the lexical index."""
        while rows := self._all(
            "SELECT p.row, p.text, p.place, c.title FROM passages p JOIN contents c ON c.content = p.content"
            f" WHERE p.row >= ? ORDER BY p.row LIMIT {_ROWS_AT_A_TIME}",
            (first,),
        ):
            for row, text, place, title in rows:
                path = self._place(place)[0].heading_path
                yield row, text, "\n".join((title, *path) if title not in path else path)
            first = rows[-1][0] + 1

    def _place(self, number: int) -> tuple[Place, str]:
        """The place with this number, and as it is stored."""
        place = self._places.get(number)
        if place is None:
            stored = self._all("SELECT fields FROM places WHERE place = ?", (number,))[0][0]
            fields = json.loads(stored)
            place = self._places[number] = Place(tuple(fields[0]), *fields[1:]), stored
        return place

    # -- for the next build ------------------------------------------------------------------------------------------

    def known_files(self) -> dict[bytes, KnownFile]:
        rows = self._all(
            "SELECT d.path, d.size, d.mtime_ns, d.ctime_ns, d.inode, d.document_id, d.content, c.bytes_sha256,"
            " c.format, c.n_passages FROM documents d JOIN contents c ON c.content = d.content"
        )
        return {
            path: KnownFile(path, Stat(size, mtime, ctime, inode), name, content, sha, fmt, passages)
            for path, size, mtime, ctime, inode, name, content, sha, fmt, passages in rows
        }

    def known_skips(self) -> dict[bytes, tuple[Stat, Skipped]]:
        rows = self._all("SELECT path, size, mtime_ns, ctime_ns, inode, source, reason, detail FROM skipped")
        return {
            path: (Stat(size, mtime, ctime, inode), Skipped(source, reason, detail))
            for path, size, mtime, ctime, inode, source, reason, detail in rows
        }

    def skipped(self) -> list[Skipped]:
        return [Skipped(*row) for row in self._all("SELECT source, reason, detail FROM skipped ORDER BY source")]

    def contents_by_hash(self) -> dict[tuple[str, str], tuple[int, str]]:
        """``(SHA-256 of the bytes, format)`` to the number of the content and its text's SHA-256."""
        rows = self._all("SELECT content, bytes_sha256, format, text_sha256 FROM contents")
        return {(sha, fmt): (number, text_sha) for number, sha, fmt, text_sha in rows}

    def gone(self) -> list[int]:
        """Passage rows whose passage is gone while their vector still lies there, ascending."""
        return [row for (row,) in self._all("SELECT row FROM gone ORDER BY row")]

    def content(self, number: int) -> StoredContent:
        ((sha, fmt, text_sha, title, warnings),) = self._all(
            "SELECT bytes_sha256, format, text_sha256, title, warnings FROM contents WHERE content = ?", (number,)
        )
        found = self._all("SELECT row, key, first_sentence FROM passages WHERE content = ? ORDER BY row", (number,))
        passages: list[StoredPassage] = []
        for (row, key, first), passage in zip(found, self.passages([row for row, *_ in found]), strict=True):
            span = PassageSpan(
                passage.start,
                passage.end,
                passage.n_tokens,
                passage.place,
                tuple(SentenceSpan(s.start, s.end, s.kind) for s in passage.sentences),
            )
            places = tuple(sentence.place for sentence in passage.sentences)
            passages.append(StoredPassage(row, span, places, passage.text, key, first))
        return StoredContent(sha, fmt, text_sha, title, tuple(json.loads(warnings)), tuple(passages))

    def row_by_key(self, key: bytes) -> tuple[int, int] | None:
        """``(passage row, first sentence row)`` of a passage with this embedding key."""
        rows = self._all("SELECT row, first_sentence FROM passages WHERE key = ? LIMIT 1", (key,))
        return (rows[0][0], rows[0][1]) if rows else None

    def coverage(self) -> list[tuple[str, int, int, int]]:
        """``(source, characters, characters that lie in a passage, passages)`` of every document, by source."""
        return [
            (source, chars, covered, passages)
            for source, chars, covered, passages in self._all(
                'SELECT d.source, c.n_chars, coalesce(sum(p."end" - p.start), 0), count(p.row) FROM documents d'
                " JOIN contents c ON c.content = d.content LEFT JOIN passages p ON p.content = c.content"
                " GROUP BY d.document_id ORDER BY d.source"
            )
        ]

    def key(self, row: int) -> bytes:
        """The embedding key of a passage."""
        ((key,),) = self._all("SELECT key FROM passages WHERE row = ?", (row,))
        return bytes(key)

    def longest_passage(self) -> int:
        """Most encoder tokens in any passage; 0 when there are none."""
        return int(self._all("SELECT coalesce(max(n_tokens), 0) FROM passages")[0][0])


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _document(row: tuple[Any, ...]) -> Document:
    (
        document_id,
        path,
        source,
        title,
        fmt,
        bytes_sha,
        text_sha,
        size,
        chars,
        passages,
        sentences,
        warnings,
        digest,
        stale,
        first,
    ) = row
    with _sound(f"The entry of document {document_id}"):
        _hold(document_id == document_id_of(path, bytes_sha) and source == printable(path) and isinstance(first, str))
        _hold(digest == content_digest(bytes_sha, fmt, text_sha, title, chars, passages, sentences, warnings))
        notes = tuple(json.loads(warnings)) + ((f"stale: {stale}",) if stale else ())
    return Document(
        document_id, source, title or source, fmt, bytes_sha, text_sha, size, chars, passages, sentences, notes,
        duplicate_of=first if first != source else "",
    )  # fmt: skip


# What comes of taking a damaged row for a whole one, beside what its digest tells.
_NONSENSE = (TypeError, ValueError, LookupError, AttributeError, OverflowError)


@contextmanager
def _sound(what: str) -> Iterator[None]:
    """Rows were whole when the file was checked and loaded. What can no longer be made of them is damage since."""
    try:
        yield
    except _NONSENSE as error:
        raise CorruptGeneration(f"{what} is damaged.", remedy=REBUILD) from error


def _hold(agrees: bool) -> None:
    if not agrees:
        raise ValueError("a row does not agree with its digest")
