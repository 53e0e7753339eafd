"""First half of a build: files -> documents.db, and for every passage the word on where its vectors come from.

A file that looks the same is not read, bytes that are known are not parsed, and a passage whose embedding key is known
is not embedded: its vectors are copied from the previous generation, from where this one has them already, or from
the journal of a build that was interrupted.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from index.ahead import Ahead
from index.errors import NeedsConfirmation, SkipFile, SourceError
from index.extend import EXTEND_FROM
from index.generation import Generation
from index.journal import Journal
from index.parse import PARSER_VERSION, Limits, format_of
from index.parse.sandbox import SandboxLimits
from index.passages import PASSAGE_RULES_VERSION, build_passages
from index.schema import KnownFile, StoredContent
from index.store import Store
from index.store_writer import Writer, content_of
from index.types import Encoder, IngestReport, Parsed, PassageSpan, Skipped
from index.vectors import EXACT_ROWS
from index.walk import FoundFile, printable, read

# Reasons that speak of this attempt, not of the file: they are not remembered, so the file is tried again.
_TRANSIENT = frozenset({"unreadable", "vanished", "unstable"})
# Reasons that mean the file now holds nothing to serve: an earlier version goes.
_EMPTY = frozenset({"empty", "no_text"})
# Reasons the scan gives for a file, or a folder, that is there all the same.
_UNSEEN = frozenset({"unreadable", "too_large"})

Parse = Callable[[bytes, str], Parsed]
"""Given a file's bytes and its suffix. Raises SkipFile."""


# More than this share of the documents gone at once looks like a folder that is not mounted, or half copied. Where
# there are only a few documents it is an ordinary day.
_MAX_VANISHED_SHARE, _MIN_DOCUMENTS = 0.3, 10


@dataclass(frozen=True, slots=True)
class BuildOptions:
    source: Path
    data: Path
    max_tokens: int = 0  # longest passage in encoder tokens; 0: the encoder's window
    max_file_bytes: int = 50_000_000
    limits: Limits = field(default_factory=Limits)
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)
    full: bool = False  # start from nothing: parse and embed everything again
    plan: bool = False  # only say what would be done
    confirm_deletions: bool = False  # of more documents than vanish unless something is wrong
    threads: int = 0  # encoder threads; 0: one a core
    max_memory_mb: int = 0  # that a build in a child may take; 0: no bound
    check_room: bool = True  # refuse to begin when the disk seems too full
    extend_from: int = EXTEND_FROM  # passages from which an update extends the generation before
    exact_rows: int = EXACT_ROWS  # passages up to which every vector is looked at in a search


def rules_fingerprint(max_tokens: int, limits: Limits, sandbox: SandboxLimits) -> str:
    """Changes whenever the same file could get another text, be cut into other passages, or no longer be left out."""
    return sha256(f"{PARSER_VERSION}/{PASSAGE_RULES_VERSION}/{max_tokens}/{limits}/{sandbox}".encode()).hexdigest()[:16]


class Origin(IntEnum):
    """Where a passage's vectors come from."""

    ENCODER = 0  # they have to be made
    PREVIOUS = 1  # rows of the previous generation
    OWN = 2  # rows that this build has written already
    JOURNAL = 3  # made by an earlier build that was interrupted, or while files were parsed


@dataclass(frozen=True, slots=True)
class VectorSource:
    origin: Origin
    passage: int = -1  # row of the passage; of JOURNAL, the place there
    sentence: int = -1  # row of its first sentence

    @property
    def is_new(self) -> bool:
        return self.origin is Origin.ENCODER


class VectorSources:
    """A VectorSource for every passage row from ``first_row`` on, kept small: there may be millions."""

    def __init__(self, first_row: int) -> None:
        self.first_row = first_row
        self._passage, self._sentence, self._origin = array("q"), array("q"), array("b")
        self.n_new = 0  # to be made by this build
        self.n_ahead = 0  # of those, made while files were parsed

    def __len__(self) -> int:
        return len(self._passage)

    def __getitem__(self, i: int) -> VectorSource:
        return VectorSource(Origin(self._origin[i]), self._passage[i], self._sentence[i])

    def append(self, source: VectorSource) -> None:
        self._passage.append(source.passage)
        self._sentence.append(source.sentence)
        self._origin.append(source.origin)
        self.n_new += source.is_new

    def found(self, i: int, place: int) -> None:
        """The vectors of the new passage ``i`` are made, and lie in the journal at ``place``."""
        self._origin[i], self._passage[i] = Origin.JOURNAL, place
        self.n_ahead += 1


def rules_of(options: BuildOptions, encoder: Encoder) -> str:
    """The rules that a build with these options and this encoder follows."""
    max_tokens = min(options.max_tokens or encoder.window, encoder.window)
    return rules_fingerprint(max_tokens, options.limits, options.sandbox)


def fits(previous: Generation | None, options: BuildOptions, encoder: Encoder) -> bool:
    """Whether texts, passages and vectors of ``previous`` are all as this build would make them."""
    return (
        previous is not None
        and previous.manifest.encoder["fingerprint"] == encoder.fingerprint
        # Another encoder counts other tokens, so its passages end elsewhere.
        and previous.manifest.rules == rules_of(options, encoder)
    )


class Ingest:
    """Fills a documents.db from a folder, starting from what ``previous`` knows."""

    def __init__(
        self,
        options: BuildOptions,
        encoder: Encoder,
        previous: Generation | None,
        writer: Writer,
        journal: Journal,
        parse: Parse,
        skipped: Sequence[Skipped] = (),
        *,
        extends: bool = False,
        ahead: Ahead | None = None,
    ) -> None:
        """``skipped`` is what the scan left out. ``extends`` says that ``writer`` has a copy of what ``previous``
        holds, so that known contents are kept and not added. New passages are offered to ``ahead``."""
        self.options = options
        self.encoder = encoder
        self.max_tokens = min(options.max_tokens or encoder.window, encoder.window)
        self.rules = rules_of(options, encoder)
        self.sources = VectorSources(writer.next_row)
        self.skipped = list(skipped)
        self.stale: list[str] = []
        self._writer = writer
        self._journal = journal
        self._extends = extends
        self._ahead = ahead
        self._parse = parse
        same_encoder = previous is not None and previous.manifest.encoder["fingerprint"] == encoder.fingerprint
        # Vectors are worth keeping under other passage rules too: many passages come out the same.
        self._vectors: Store | None = previous.store if previous is not None and same_encoder else None
        self._texts = previous.store if previous is not None and fits(previous, options, encoder) else None
        self._known = self._texts.known_files() if self._texts is not None else {}
        self._known_contents = self._texts.contents_by_hash() if self._texts is not None else {}
        self._known_skips = self._texts.known_skips() if self._texts is not None else {}
        # What was served before, under whatever rules, for telling added from changed.
        self._before = previous.store.known_files() if previous is not None else {}
        self._contents: dict[tuple[str, str], int] = {}
        self._text_hashes: dict[int, str] = {}  # by content
        self._rows_by_key: dict[bytes, tuple[int, int]] = {}
        self._documents: dict[bytes, tuple[str, str, int]] = {}  # path -> (document id, bytes sha256, content)
        self._notes: list[tuple[str, str]] = []
        self._chars_embedded = 0

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows of passages and sentences there are, with those that are gone."""
        return self._writer.next_row, self._writer.next_sentence

    def add(self, file: FoundFile) -> None:
        """Take in one file, or note why it is left out."""
        known = self._known.get(file.path)
        if known is not None and known.stat == file.stat:
            self._add_document(file, known.bytes_sha256, known.format)
            return
        remembered = self._known_skips.get(file.path)
        if remembered is not None and remembered[0] == file.stat:
            self._leave_out(file, SkipFile(remembered[1].reason, remembered[1].detail))
            return
        try:
            data, stat = read(self.options.source, file, max_bytes=self.options.max_file_bytes)
            file = FoundFile(file.path, stat)
            digest, fmt = sha256(data).hexdigest(), format_of(file.suffix)
            if (digest, fmt) not in self._contents and (digest, fmt) not in self._known_contents:
                parsed = self._parse(data, file.suffix)
                content = content_of(parsed, digest, fmt, self._passages)
                if not content.passages:
                    raise SkipFile("empty")
                self._add_content(content)
            self._add_document(file, digest, fmt)
        except SkipFile as skip:
            self._leave_out(file, skip)

    def take_in(self, progress: Callable[[int, int], None]) -> None:
        """Wait for what is being embedded, and tell of it: how many of the new passages are, and of how many."""
        if self._ahead is not None and self.sources.n_new:
            progress(self.sources.n_ahead, self.sources.n_new)
            for written in self._ahead.rest():
                self.sources.found(*written)
                progress(self.sources.n_ahead, self.sources.n_new)

    def finish(self, served: dict[bytes, KnownFile]) -> None:
        """Complete the file. ``served`` are the files that the live generation has.

        Raises SourceError when there was nothing to index, NeedsConfirmation when too much of ``served`` is gone."""
        self._keep_unseen()
        if not (self.options.plan or self.options.confirm_deletions):
            self._refuse_mass_deletion(served)
        if not self._documents:
            raise SourceError(
                f"No document that Footnote can read lies in {self.options.source}"
                f" ({len(self.skipped)} files were left out).",
                remedy="Put .txt, .md, .html, .pdf, .docx, .pptx, .xlsx, .csv, .eml or .epub files there.",
            )
        self._writer.finish()

    def _refuse_mass_deletion(self, served: dict[bytes, KnownFile]) -> None:
        gone = {path: known for path, known in served.items() if path not in self._documents}
        digests = {path: entry[1] for path, entry in self._documents.items()}
        renamed, _ = match_renames([path for path in digests if path not in served], gone, digests)
        there = {skip.source for skip in self.skipped if skip.reason not in _EMPTY and skip.reason != "vanished"}
        for old, _ in renamed:
            del gone[old]
        vanished = tuple(sorted(source for source in map(printable, gone) if source not in there))
        if len(served) >= _MIN_DOCUMENTS and len(vanished) > _MAX_VANISHED_SHARE * len(served):
            raise NeedsConfirmation(
                f"{len(vanished)} of the {len(served)} documents indexed are gone from the source folder, or empty."
                " Nothing was deleted; the index served is unchanged.",
                remedy="If they are to go: footnote index --confirm-deletions, or POST /v1/index/rebuild with"
                ' {"confirm_deletions": true}. If not, look whether the folder is mounted and whole.',
                vanished=vanished,
                served=len(served),
            )

    def _keep_unseen(self) -> None:
        """Documents that the scan could not get at are not known to be gone: their last version stays."""
        hidden = {skip.source: skip.reason for skip in self.skipped if skip.reason in _UNSEEN}
        for path, known in self._known.items():
            if path in self._documents:
                continue
            source = printable(path)
            above = (source[:end] for end in (*_slashes(source), len(source)))
            reason = next((hidden[folder] for folder in above if folder in hidden), "")
            if reason:
                self._add_document(FoundFile(path, known.stat), known.bytes_sha256, known.format, reason)
                self.stale.append(source)

    # -- documents and their texts ------------------------------------------------------------------------------------

    def _passages(self, parsed: Parsed) -> list[PassageSpan]:
        return build_passages(parsed, self.encoder.token_spans, self.max_tokens, self.options.limits.max_passages)

    def _add_document(self, file: FoundFile, digest: str, fmt: str, stale: str = "") -> None:
        number = self._contents.get((digest, fmt))
        if number is None:
            number = self._add_known(digest, fmt)
        document_id = self._writer.add_document(file.path, file.stat, digest, number, stale)
        self._documents[file.path] = (document_id, digest, number)

    def _add_known(self, digest: str, fmt: str) -> int:
        """Add a text that the previous generation has; returns its number."""
        assert self._texts is not None
        number, text_sha256 = self._known_contents[digest, fmt]
        if not self._extends:
            return self._add_content(self._texts.content(number))
        self._contents[digest, fmt] = number
        self._text_hashes[number] = text_sha256
        return self._writer.keep(number)

    def _add_content(self, content: StoredContent) -> int:
        """Add a text and note, for each of its passages, where its vectors will come from."""
        row, sentence = self._writer.next_row, self._writer.next_sentence
        for passage in content.passages:
            source = self._source_of(passage.key)
            if source.is_new:
                self._chars_embedded += len(passage.text.strip())
            self.sources.append(source)
            if source.is_new and self._ahead is not None:
                for written in self._ahead.offer(len(self.sources) - 1, passage):
                    self.sources.found(*written)
            self._rows_by_key.setdefault(passage.key, (row, sentence))
            row += 1
            sentence += len(passage.span.sentences)
        number = self._writer.add_content(content)
        self._contents[content.bytes_sha256, content.format] = number
        self._text_hashes[number] = content.text_sha256
        return number

    def _source_of(self, key: bytes) -> VectorSource:
        here = self._rows_by_key.get(key)
        if here is not None:
            return VectorSource(Origin.OWN, *here)
        before = self._vectors.row_by_key(key) if self._vectors is not None else None
        if before is not None:
            return VectorSource(Origin.PREVIOUS, *before)
        kept = self._journal.find(key)
        return VectorSource(Origin.JOURNAL, kept) if kept >= 0 else VectorSource(Origin.ENCODER)

    def _leave_out(self, file: FoundFile, skip: SkipFile) -> None:
        """Report a file that cannot be indexed; its last good version, if there is one, stays."""
        skipped = Skipped(file.source, skip.reason, skip.detail)
        self.skipped.append(skipped)
        known = self._known.get(file.path)
        if known is not None and skip.reason not in _EMPTY:
            self._add_document(FoundFile(file.path, known.stat), known.bytes_sha256, known.format, skip.reason)
            self.stale.append(file.source)
        if skip.reason not in _TRANSIENT:
            self._writer.add_skipped(file.path, skipped, file.stat)

    # -- the report ---------------------------------------------------------------------------------------------------

    def report(self) -> IngestReport:
        """What was found and, compared with the previous generation, what is new."""
        gone = {path: known for path, known in self._before.items() if path not in self._documents}
        new = [path for path in self._documents if path not in self._before]
        renamed, added = match_renames(new, gone, {path: entry[1] for path, entry in self._documents.items()})
        old_paths = {old for old, _ in renamed}
        changed = [
            path
            for path, (document_id, _, _) in self._documents.items()
            if path in self._before and self._before[path].document_id != document_id
        ]
        n_passages, n_sentences = self._writer.counts()
        return IngestReport(
            generation="",
            published=False,
            added=tuple(printable(path) for path in added),
            changed=tuple(printable(path) for path in changed),
            renamed=tuple((printable(old), printable(path)) for old, path in renamed),
            deleted=tuple(printable(path) for path in sorted(gone) if path not in old_paths),
            unchanged=len(self._documents) - len(new) - len(changed),
            duplicates=tuple(self._duplicates()),
            skipped=tuple(sorted(self.skipped, key=lambda skip: skip.source)),
            stale=tuple(self.stale),
            warnings=tuple(self._writer.notes()),
            documents=len(self._documents),
            passages=n_passages,
            sentences=n_sentences,
            passages_embedded=self.sources.n_new,
            passages_reused=n_passages - self.sources.n_new,
            chars_embedded=self._chars_embedded,
        )

    def _duplicates(self) -> list[tuple[str, str]]:
        """``(source, source of the first document with the same text)``."""
        first: dict[str, bytes] = {}
        found = []
        for path in sorted(self._documents):
            text = self._text_hashes[self._documents[path][2]]
            if text in first:
                found.append((printable(path), printable(first[text])))
            first.setdefault(text, path)
        return found


def _slashes(source: str) -> list[int]:
    return [position for position, char in enumerate(source) if char == "/"]


def match_renames(
    new: list[bytes], gone: dict[bytes, KnownFile], digests: dict[bytes, str]
) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Pair files that vanished with new ones of the same bytes: ``([(old path, new path)], really new paths)``."""
    by_hash: dict[str, deque[bytes]] = {}
    for path in sorted(gone):
        by_hash.setdefault(gone[path].bytes_sha256, deque()).append(path)
    renamed: list[tuple[bytes, bytes]] = []
    added: list[bytes] = []
    for path in sorted(new):
        waiting = by_hash.get(digests[path])
        if waiting:
            renamed.append((waiting.popleft(), path))
        else:
            added.append(path)
    return renamed, added
