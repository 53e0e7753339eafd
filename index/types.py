"""The values that index/ is made of, read first.

Every offset in Footnote is a half-open range ``[start, end)`` of Unicode code points into a document's canonical
text. Offsets are carried from the parser to the citation; no step finds one again by searching.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # the process that parses needs these values and no arrays, and numpy is most of its start
    import numpy as np
    from numpy.typing import NDArray

Vector: TypeAlias = "NDArray[np.float32]"  # (dim,) float32, unit length
Matrix: TypeAlias = "NDArray[np.float32]"  # (n, dim) float32, unit rows

SegmentKind = Literal["prose", "heading", "item", "row", "furniture"]
"""prose: running text. heading: a title of what follows. item: a list entry. row: one table row, already a
self-contained line. furniture: text that is kept and searchable but never quoted (lone rules, "Source link")."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stretch of text stands in its document, as far as the format tells."""

    heading_path: tuple[str, ...] = ()  # outermost first; sheet names, slide titles and chapters are headings too
    page: int | None = None  # 1-based, as a PDF viewer counts
    slide: int | None = None  # 1-based
    sheet: str | None = None
    row: int | None = None  # 1-based, as the spreadsheet shows it
    chapter: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A paragraph, heading, list item or table row. Sentences never cross a segment's border."""

    start: int
    end: int
    kind: SegmentKind
    place: Place


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a parser returns: one canonical text and its segments, in order and disjoint.

    Every character outside the segments is white space."""

    text: str
    segments: tuple[Segment, ...]
    title: str  # from the document itself; "" when it has none
    warnings: tuple[str, ...] = ()  # e.g. "page 3 has no text"; shown in the ingest report


@dataclass(frozen=True, slots=True)
class SentenceSpan:
    """A sentence within a document's canonical text; ``kind`` is its segment's."""

    start: int
    end: int
    kind: SegmentKind


@dataclass(frozen=True, slots=True)
class PassageSpan:
    """A passage to be embedded. The passages of a document tile its text without gap or overlap."""

    start: int
    end: int
    n_tokens: int  # in the encoder's own tokens, without its special tokens
    place: Place  # of its first sentence
    sentences: tuple[SentenceSpan, ...]


@dataclass(frozen=True, slots=True)
class EncodedPassage:
    """One forward pass: the passage's vector and, row by row, those of its sentences in context."""

    passage: Vector  # (dim,) float32, unit length
    sentences: Matrix  # (n_sentences, dim) float32, unit rows


class Encoder(Protocol):
    """Turns text into vectors and knows its own tokens. Implemented by onnxruntime, by sentence-transformers, and by
    the deterministic fake of the tests; one contract suite runs them all."""

    @property
    def name(self) -> str:
        """What the user calls it: a package, a path or a hub name."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same text could get another vector."""

    @property
    def dim(self) -> int: ...

    @property
    def window(self) -> int:
        """Longest passage, in this encoder's tokens, special tokens not counted."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Code-point ranges of the tokens of ``text``, in order, without special tokens, never truncated."""

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        """Encode one passage of at most ``window`` tokens; ``sentences`` are ranges within ``text``.

        The result depends on nothing but the arguments: not on what else is encoded before, after or beside it."""

    def encode_query(self, text: str) -> Vector:
        """Encode a question, (dim,) float32, unit length; one longer than the window counts whole."""


@dataclass(frozen=True, slots=True)
class Document:
    """One file, in one version."""

    document_id: str  # of its path and its bytes
    source: str  # path relative to the source folder, "/"-separated, printable
    title: str
    format: str  # "txt", "pdf", ...
    source_sha256: str  # of the file's bytes
    text_sha256: str  # of the canonical text in UTF-8
    size: int  # bytes
    n_chars: int
    n_passages: int
    n_sentences: int
    warnings: tuple[str, ...]
    duplicate_of: str = ""  # source of the first document with the same text; "" when it is the first


@dataclass(frozen=True, slots=True)
class Sentence:
    row: int  # of its vector
    start: int
    end: int
    kind: SegmentKind
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole sentences; ``text == canonical_text[start:end]``."""

    passage_id: str
    row: int  # of its vector
    document: Document
    start: int
    end: int
    text: str
    n_tokens: int
    place: Place
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Signals:
    """How a passage fared, before standardising. Higher is better in all of them."""

    dense: float  # cosine of question and passage
    sentence: float  # cosine of question and the passage's best sentence
    coverage: float  # share of the question's words in the passage or above it, by idf, in [0, 1]
    lexical: float  # BM25


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its scores."""

    passage: Passage
    score: float  # the standardised signals, summed
    signals: Signals
    sentence_scores: tuple[float, ...]  # cosine of the question with each sentence, aligned with passage.sentences


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was found and not indexed, with a typed reason."""

    source: str
    reason: str  # one of index.errors.SKIP_REASONS
    detail: str


@dataclass(frozen=True, slots=True)
class FailedCase:
    """A question that a gate's suite asks and that a generation does not answer as it should."""

    id: str
    question: str
    passed_before: bool | None  # by the live generation; None where that could not be told
    documents_changed: (
        bool  # a document behind it is another in this generation, so the case may be what is out of date
    )


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What a suite of questions said of a generation before it was published."""

    suite: str
    passed: bool
    reasons: tuple[str, ...] = ()  # why it did not pass, a sentence each
    failed: tuple[FailedCase, ...] = ()


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a build found and did; also what --plan says it would do."""

    generation: str  # published or, when nothing changed, the live one; "" in a plan
    published: bool
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()  # (from, to)
    deleted: tuple[str, ...] = ()
    unchanged: int = 0
    duplicates: tuple[tuple[str, str], ...] = ()  # (source, source of the first with the same text)
    skipped: tuple[Skipped, ...] = ()
    stale: tuple[str, ...] = ()  # could not be read now; their last good version is still served
    warnings: tuple[tuple[str, str], ...] = ()  # (source, what a parser had to say)
    documents: int = 0
    passages: int = 0
    sentences: int = 0
    passages_embedded: int = 0
    passages_reused: int = 0
    chars_embedded: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())
    gate: GateOutcome | None = None  # None when no suite stands before publishing
