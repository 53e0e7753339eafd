"""Puts a canonical text together segment by segment, so that offsets are counted once and never searched for."""

from __future__ import annotations

from collections.abc import Sequence

from index.errors import SkipFile
from index.parse.decode import clean
from index.parse.limits import Limits
from index.types import Parsed, Place, Segment, SegmentKind

_ANYWHERE = Place()
_MAX_HEADING_CHARS = 200  # of a heading in a path: a whole paragraph styled as heading stays readable in a citation


class TextBuilder:
    """Grows a text and its segments. A segment is stripped and never empty; between two stands "\\n" when they are
    items of one list or rows of one table, "\\n\\n" otherwise."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._segments: list[Segment] = []
        self._warnings: list[str] = []

    def add(self, text: str, kind: SegmentKind = "prose", place: Place = _ANYWHERE) -> None:
        """Append one segment; blank text adds nothing, and text without letter or digit is furniture."""
        text = clean(text).strip()
        if not text:
            return
        if kind in ("prose", "item") and not has_words(text):
            kind = "furniture"
        self.add_segmented(text, (Segment(0, len(text), kind, place),))

    def add_segmented(self, text: str, segments: Sequence[Segment]) -> None:
        """Append a clean text that has its segments already; their offsets count from its start."""
        if not segments:
            return
        listed = self._segments and self._segments[-1].kind == segments[0].kind in ("item", "row")
        gap = ("\n" if listed else "\n\n") if self._segments else ""
        start = self._length + len(gap)
        self._length = start + len(text)
        check_size(self._length, len(self._segments) + len(segments), self.limits)
        self._parts += (gap, text)
        self._segments += (Segment(start + s.start, start + s.end, s.kind, s.place) for s in segments)

    def warn(self, warning: str) -> None:
        """Note what was left out or guessed; shown in the ingest report."""
        self._warnings.append(warning)

    def parsed(self, title: str = "") -> Parsed:
        """The finished text. Raises SkipFile("empty") when nothing was added."""
        if not self._segments:
            raise SkipFile("empty", "; ".join(self._warnings))
        return Parsed("".join(self._parts), tuple(self._segments), one_line(title), tuple(self._warnings))


def check_size(n_chars: int, n_segments: int, limits: Limits) -> None:
    """Raise SkipFile when a text has outgrown the limits: text_too_large, parser_limit."""
    if n_chars > limits.max_text_chars:
        raise SkipFile("text_too_large", f"more than {limits.max_text_chars} characters of text")
    if n_segments > limits.max_segments:
        raise SkipFile("parser_limit", f"more than {limits.max_segments} paragraphs, items or rows")


class Outline:
    """The headings that are open at a point of a document."""

    def __init__(self, base: tuple[str, ...] = ()) -> None:
        self._base = base
        self._open: list[tuple[int, str]] = []

    @property
    def path(self) -> tuple[str, ...]:
        """Open headings, outermost first."""
        return (*self._base, *(heading for _, heading in self._open))

    def enter(self, level: int, heading: str) -> tuple[str, ...]:
        """Open a heading, which closes those of its level and below; the path now, itself included."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        if heading := one_line(heading)[:_MAX_HEADING_CHARS]:
            self._open.append((level, heading))
        return self.path


def one_line(text: str) -> str:
    """The text, clean, with every run of white space made one space."""
    return " ".join(clean(text).split())


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(map(str.isalnum, text))
