"""Folder -> published generation.

A build starts from the live generation: files that look the same are not read, bytes that are known are not parsed,
passages whose embedding key is known are not embedded. Everything is written to a staging folder, sealed, read back
and then published by one rename; killed at any instant it leaves the old generation live.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from index import lexical, vectors
from index.errors import CorruptGeneration, IncompatibleIndex, NoGeneration, SkipFile, SourceError
from index.generation import (
    Generation,
    Layout,
    adopt,
    collect,
    newest_whole,
    publish,
    read_current,
    seal,
    writer_lock,
)
from index.parse import PARSER_VERSION, Limits, format_of, parse
from index.passages import PASSAGE_RULES_VERSION, build_passages
from index.store import KnownFile, Reader, StoredContent, Writer, content_of, document_id_of
from index.types import EncodedPassage, Encoder, IngestReport, Skipped
from index.walk import FoundFile, read, walk

# Reasons that speak of this attempt, not of the file: an earlier version stays served, and the file is tried again.
_TRANSIENT = frozenset({"unreadable", "vanished", "unstable"})
# Reasons that mean the file now holds nothing to serve: an earlier version goes.
_EMPTY = frozenset({"empty", "no_text"})
_IN_FLIGHT = 64  # passages handed to the encoder's threads ahead of the one being written

Progress = Callable[[str, int, int], None]
"""Called with a phase ("scanning", "parsing", "embedding", "writing", "publishing"), how much is done, and of how much."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    source: Path
    data: Path
    max_tokens: int = 0  # longest passage in encoder tokens; 0: the encoder's window
    max_file_bytes: int = 50_000_000
    limits: Limits = field(default_factory=Limits)
    full: bool = False  # start from nothing: parse and embed everything again
    plan: bool = False  # only say what would be done
    threads: int = 0  # encoder threads; 0: one a core


def rules_fingerprint(max_tokens: int) -> str:
    """Changes whenever the same file could be cut into other passages."""
    return sha256(f"{PARSER_VERSION}/{PASSAGE_RULES_VERSION}/{max_tokens}".encode()).hexdigest()[:16]


def build(options: BuildOptions, encoder: Encoder, progress: Progress = lambda *_: None) -> IngestReport:
    """Bring the index up to date with the source folder and publish it; the report says what was done.

    When nothing changed nothing is published and the report names the live generation. Raises SourceError when the
    folder is missing or holds no document, Busy when another process writes."""
    layout = Layout(options.data)
    with writer_lock(layout):
        layout.generations.mkdir(exist_ok=True, mode=0o700)
        previous = None if options.full else _previous(layout)
        try:
            return _Build(options, layout, encoder, progress, previous).run()
        finally:
            if previous is not None:
                previous.close()


def _previous(layout: Layout) -> Generation | None:
    """The generation to start from: the live one, the newest whole one if that is damaged, or none."""
    try:
        name, digest = read_current(layout)
        return Generation(layout.generation(name), digest)
    except NoGeneration:
        return None
    except IncompatibleIndex:
        return None
    except CorruptGeneration:
        try:
            name, digest = newest_whole(layout)
            return Generation(layout.generation(name), digest)
        except (NoGeneration, IncompatibleIndex):
            return None


@dataclass(frozen=True, slots=True)
class _Vectors:
    """Where a passage's vectors come from: rows of the previous generation, of this one, or (-1) the encoder."""

    passage: array[int]  # by new row: row to copy, or -1
    sentence: array[int]  # first sentence row to copy
    here: array[int]  # 1 when the row to copy is one of this build's own


class _Build:
    """One build, from scan to publication. A class because its phases share what they have found so far."""

    def __init__(
        self, options: BuildOptions, layout: Layout, encoder: Encoder, progress: Progress, previous: Generation | None
    ) -> None:
        self.options = options
        self.layout = layout
        self.encoder = encoder
        self.progress = progress
        self.previous = previous
        self.started = time.monotonic()
        self.max_tokens = min(options.max_tokens or encoder.window, encoder.window)
        self.rules = rules_fingerprint(self.max_tokens)
        same_encoder = previous is not None and previous.manifest.encoder["fingerprint"] == encoder.fingerprint
        same_rules = previous is not None and previous.manifest.rules == self.rules
        # Vectors are worth keeping under other passage rules too: many passages come out the same.
        self.old_vectors = previous if same_encoder else None
        self.old_store: Reader | None = previous.store if previous is not None and same_rules else None
        self.known = self.old_store.known_files() if self.old_store is not None else {}
        self.known_contents = self.old_store.contents_by_hash() if self.old_store is not None else {}
        self.known_skips = self.old_store.known_skips() if self.old_store is not None else {}
        # What was served before, under whatever rules, for telling added from changed.
        self.before = previous.store.known_files() if previous is not None else {}
        self.contents: dict[tuple[str, str], int] = {}
        self.rows_by_key: dict[bytes, tuple[int, int]] = {}
        self.vectors = _Vectors(array("q"), array("q"), array("b"))
        self.documents: dict[bytes, tuple[str, str]] = {}  # path -> (document id, bytes sha256)
        self.skipped: list[Skipped] = []
        self.stale: list[str] = []
        self.warnings: list[tuple[str, str]] = []
        self.chars_embedded = 0

    # -- the phases --------------------------------------------------------------------------------------------------

    def run(self) -> IngestReport:
        staged = Path(tempfile.mkdtemp(prefix=".staging-", dir=self.layout.generations))
        try:
            report = self._fill(staged)
            if self.options.plan:
                return report
            if self._is_unchanged(report):
                assert self.previous is not None
                return replace(report, generation=self.previous.name, published=False)
            return self._publish(staged, report)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _fill(self, staged: Path) -> IngestReport:
        self.progress("scanning", 0, 0)
        files, self.skipped = walk(
            self.options.source, exclude=self.options.data, max_bytes=self.options.max_file_bytes
        )
        writer = Writer(staged / "documents.db")
        try:
            for i, file in enumerate(files):
                self.progress("parsing", i, len(files))
                self._add(writer, file)
            self.progress("parsing", len(files), len(files))
            if not self.documents:
                raise SourceError(
                    f"No document that Footnote can read lies in {self.options.source}"
                    f" ({len(self.skipped)} files were left out).",
                    remedy="Put .txt, .md, .html, .pdf, .docx, .pptx, .xlsx, .csv, .eml or .epub files there.",
                )
            writer.finish()
        except BaseException:
            writer.abandon()
            raise
        return self._report(writer)

    def _publish(self, staged: Path, report: IngestReport) -> IngestReport:
        reader = Reader((staged / "documents.db").resolve())
        try:
            self._embed(staged, reader)
            self.progress("writing", 0, 1)
            lexical.write(staged / "lexical", reader.lexical_rows())
            counts = reader.counts()
        finally:
            reader.close()
        name = f"{max([int(name) for name in self.layout.names()], default=0) + 1:06d}"
        report = replace(
            report, generation=name, published=True, seconds=round(time.monotonic() - self.started, 3)
        )
        self.progress("publishing", 0, 1)
        digest = seal(
            staged,
            name=name,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            counts=counts,
            encoder={
                "name": self.encoder.name,
                "fingerprint": self.encoder.fingerprint,
                "dim": self.encoder.dim,
                "window": self.encoder.window,
                "max_tokens": self.max_tokens,
            },
            rules=self.rules,
            report=asdict(report),
        )
        adopt(self.layout, staged, name)
        publish(self.layout, name, digest)
        collect(self.layout, name)
        self.progress("publishing", 1, 1)
        return report

    # -- documents ---------------------------------------------------------------------------------------------------

    def _add(self, writer: Writer, file: FoundFile) -> None:
        """Add one file's document, or the reason why it has none."""
        known = self.known.get(file.path)
        if known is not None and known.stat == file.stat:
            self._add_document(writer, file, known.bytes_sha256, known.format)
            return
        remembered = self.known_skips.get(file.path)
        if remembered is not None and remembered[0] == file.stat:
            self._leave_out(writer, file, SkipFile(remembered[1].reason, remembered[1].detail))
            return
        try:
            data, stat = read(self.options.source, file, max_bytes=self.options.max_file_bytes)
            file = FoundFile(file.path, stat)
            digest, fmt = sha256(data).hexdigest(), format_of(file.suffix)
            if (digest, fmt) not in self.contents and (digest, fmt) not in self.known_contents:
                parsed = parse(data, file.suffix, self.options.limits)
                content = content_of(parsed, digest, fmt, self._build_passages)
                if not content.passages:
                    raise SkipFile("empty")
                self._add_content(writer, content)
            self._add_document(writer, file, digest, fmt)
        except SkipFile as skip:
            self._leave_out(writer, file, skip)

    def _build_passages(self, parsed: Any) -> Any:
        return build_passages(parsed, self.encoder.token_spans, self.max_tokens)

    def _add_document(self, writer: Writer, file: FoundFile, digest: str, fmt: str, stale: str = "") -> None:
        number = self.contents.get((digest, fmt))
        if number is None:
            assert self.old_store is not None
            number = self._add_content(writer, self.old_store.content(self.known_contents[digest, fmt]))
        document_id = writer.add_document(file.path, file.stat, digest, number, stale)
        self.documents[file.path] = (document_id, digest)

    def _add_content(self, writer: Writer, content: StoredContent) -> int:
        """Add a text and note, for each of its passages, where its vectors will come from."""
        row, sentence = writer.n_passages, writer.n_sentences
        for passage in content.passages:
            here = self.rows_by_key.get(passage.key)
            old = self.old_vectors.store.row_by_key(passage.key) if here is None and self.old_vectors else None
            source = here or old or (-1, -1)
            if here is None and old is None:
                self.chars_embedded += len(passage.text.strip())
            self.vectors.passage.append(source[0])
            self.vectors.sentence.append(source[1])
            self.vectors.here.append(1 if here else 0)
            self.rows_by_key.setdefault(passage.key, (row, sentence))
            row += 1
            sentence += len(passage.span.sentences)
        number = writer.add_content(content)
        self.contents[content.bytes_sha256, content.format] = number
        return number

    def _leave_out(self, writer: Writer, file: FoundFile, skip: SkipFile) -> None:
        """Report a file that cannot be indexed; its last good version, if there is one, stays."""
        skipped = Skipped(file.source, skip.reason, skip.detail)
        self.skipped.append(skipped)
        known = self.known.get(file.path)
        if known is not None and skip.reason not in _EMPTY:
            self._add_document(writer, FoundFile(file.path, known.stat), known.bytes_sha256, known.format, skip.reason)
            self.stale.append(file.source)
        if skip.reason not in _TRANSIENT:
            writer.add_skipped(file.path, skipped, file.stat)

    # -- vectors -----------------------------------------------------------------------------------------------------

    def _embed(self, staged: Path, reader: Reader) -> None:
        """Write the vectors of every passage and sentence in row order, copying those that are known."""
        raw = staged / "passages.f32"
        total = self._count_embedded()
        sentences = vectors.SentenceWriter(staged / "sentences.f16")
        done = 0
        self.progress("embedding", 0, total)
        with raw.open("wb") as stream:
            for row, encoded in self._encoded(reader, raw, staged / "sentences.f16", stream.flush, sentences):
                stream.write(np.ascontiguousarray(encoded.passage, dtype=np.float32).tobytes())
                sentences.append(encoded.sentences)
                if self.vectors.passage[row] < 0:
                    done += 1
                    self.progress("embedding", done, total)
        sentences.close()
        rows = np.fromfile(raw, dtype=np.float32).reshape(-1, self.encoder.dim)
        vectors.write_passages(
            staged / "vectors.faiss", self.encoder.dim, (rows[i : i + 4096] for i in range(0, len(rows), 4096))
        )
        raw.unlink()

    def _encoded(
        self, reader: Reader, raw: Path, sentence_file: Path, flush: Callable[[], None], sentences: vectors.SentenceWriter
    ) -> Iterator[tuple[int, EncodedPassage]]:
        """``(row, vectors)`` in row order; the encoder works ahead on its threads while earlier rows are written."""
        threads = self.options.threads or len(os.sched_getaffinity(0))
        queue: deque[tuple[int, int, Future[EncodedPassage] | None]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="encode") as pool:
            for row in range(len(self.vectors.passage)):
                passage = reader.passages([row])[0]
                body = passage.text.strip()
                lead = passage.start + len(passage.text) - len(passage.text.lstrip())
                spans = [(sentence.start - lead, sentence.end - lead) for sentence in passage.sentences]
                new = self.vectors.passage[row] < 0
                queue.append((row, len(spans), pool.submit(self.encoder.encode_passage, body, spans) if new else None))
                if len(queue) >= _IN_FLIGHT:
                    yield self._next(queue, raw, sentence_file, flush, sentences)
            while queue:
                yield self._next(queue, raw, sentence_file, flush, sentences)

    def _next(
        self,
        queue: deque[tuple[int, int, Future[EncodedPassage] | None]],
        raw: Path,
        sentence_file: Path,
        flush: Callable[[], None],
        sentences: vectors.SentenceWriter,
    ) -> tuple[int, EncodedPassage]:
        row, count, future = queue.popleft()
        if future is not None:
            return row, future.result()
        source, first = self.vectors.passage[row], self.vectors.sentence[row]
        if not self.vectors.here[row]:
            assert self.old_vectors is not None
            vector = self.old_vectors.vectors.rows([source])[0]
            return row, EncodedPassage(vector, self.old_vectors.sentences.rows(first, first + count))
        flush()
        sentences.flush()
        dim = self.encoder.dim
        vector = np.fromfile(raw, dtype=np.float32, count=dim, offset=source * dim * 4)
        block = np.fromfile(sentence_file, dtype=np.float16, count=count * dim, offset=first * dim * 2)
        return row, EncodedPassage(vector, block.reshape(count, dim).astype(np.float32))

    def _count_embedded(self) -> int:
        return sum(1 for source in self.vectors.passage if source < 0)

    # -- the report --------------------------------------------------------------------------------------------------

    def _report(self, writer: Writer) -> IngestReport:
        name_of = {path: _source(path) for path in {*self.documents, *self.before}}
        gone = {path: known for path, known in self.before.items() if path not in self.documents}
        new = [path for path in self.documents if path not in self.before]
        renamed, added = _match_renames(new, gone, self.documents)
        old_paths = {old for old, _ in renamed}
        changed = [
            path for path, (name, _) in self.documents.items() if path in self.before and self.before[path].document_id != name
        ]
        first: dict[int, bytes] = {}
        duplicates = []
        for path in sorted(self.documents):
            digest = self.documents[path][1]
            number = self.contents[digest, format_of(os.path.splitext(name_of[path])[1].lower())]
            if number in first:
                duplicates.append((name_of[path], name_of[first[number]]))
            first.setdefault(number, path)
        embedded = self._count_embedded()
        return IngestReport(
            generation="",
            published=False,
            added=tuple(name_of[path] for path in added),
            changed=tuple(name_of[path] for path in changed),
            renamed=tuple((name_of[old], name_of[path]) for old, path in renamed),
            deleted=tuple(name_of[path] for path in sorted(gone) if path not in old_paths),
            unchanged=len(self.documents) - len(new) - len(changed),
            duplicates=tuple(duplicates),
            skipped=tuple(sorted(self.skipped, key=lambda skip: skip.source)),
            stale=tuple(self.stale),
            warnings=tuple(self.warnings),
            documents=len(self.documents),
            passages=writer.n_passages,
            sentences=writer.n_sentences,
            passages_embedded=embedded,
            passages_reused=writer.n_passages - embedded,
            chars_embedded=self.chars_embedded,
            seconds=round(time.monotonic() - self.started, 3),
        )

    def _is_unchanged(self, report: IngestReport) -> bool:
        """Whether publishing would change nothing that anyone could see."""
        if self.previous is None or self.old_store is None or self.old_vectors is None:
            return False
        if report.added or report.changed or report.renamed or report.deleted:
            return False
        lasting = sorted((skip for skip in self.skipped), key=lambda skip: skip.source)
        before = [Skipped(**skip) for skip in self.previous.manifest.report["skipped"]]
        return lasting == before and list(report.stale) == list(self.previous.manifest.report["stale"])


def _source(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def _match_renames(
    new: list[bytes], gone: dict[bytes, KnownFile], documents: dict[bytes, tuple[str, str]]
) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Pair files that vanished with new ones of the same bytes: ``([(old path, new path)], really new paths)``."""
    by_hash: dict[str, deque[bytes]] = {}
    for path in sorted(gone):
        by_hash.setdefault(gone[path].bytes_sha256, deque()).append(path)
    renamed: list[tuple[bytes, bytes]] = []
    added: list[bytes] = []
    for path in sorted(new):
        waiting = by_hash.get(documents[path][1])
        if waiting:
            renamed.append((waiting.popleft(), path))
        else:
            added.append(path)
    return renamed, added


__all__ = ["BuildOptions", "Progress", "build", "document_id_of", "rules_fingerprint"]
