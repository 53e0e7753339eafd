"""The sentences of a reply while it arrives, each with the numbers it cites. The numbers are not part of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from index.sentences import split
from index.types import Place, Segment
from rag.errors import LlmError
from rag.prompt import visible

_MAX_CHARS = 2_000  # of a sentence; what is longer has no end and is no answer
_MARKER = re.compile(r"\s*(?:\[(?P<square>[\s\d,;^]*\d[\s,;]*)\]|【(?P<lens>[\s\d,;]*\d[\s,;]*)】)")
_OPEN = re.compile(r"[\[【][^\]】]{0,40}$")  # a marker that has not arrived whole
_BULLET = re.compile(r"^\s*(?:[-*•+]|#{1,6}|\d{1,2}[.)])\s+")
_BOLD = re.compile(r"\*\*|__")
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_THINKING = "<think>"


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence as an LLM wrote it, on one line."""

    text: str
    cited: tuple[int, ...]  # as written, in order, each once; may name passages that were not given


class Drafts:
    """Cuts a reply into sentences. The result does not depend on the pieces that it arrives in: whether a sentence has
    ended is only asked when a word of the next one is complete."""

    def __init__(self) -> None:
        self._text = ""  # not given yet
        self._line_begins = True  # where _text does
        self._begun = False  # past what a reasoning model thinks aloud

    def feed(self, piece: str) -> Iterator[Draft]:
        """The sentences that ``piece`` ends. Raises LlmError where one has no end."""
        for part in re.split(r"(?<=\s)", piece):  # asked at each blank, so at the same places whatever the pieces
            self._text += part
            if part[-1:].isspace() and self._has_begun():
                yield from self._ended()
                if len(self._text) > _MAX_CHARS and self._begun:
                    raise LlmError("llm_bad_reply", f"a sentence is longer than {_MAX_CHARS} characters")

    def finish(self) -> Iterator[Draft]:
        """The rest, when the reply has ended by its author's will."""
        self._text += "\n"
        if self._has_begun():
            yield from self._ended()

    def _has_begun(self) -> bool:
        if not self._begun:
            start = self._text.lstrip()[: len(_THINKING)]
            if start == _THINKING:
                self._text, ended = _THOUGHT.subn("", self._text, count=1)
                self._begun = bool(ended)
            else:
                self._begun = bool(start)
        return self._begun

    def _ended(self) -> Iterator[Draft]:
        """What has ended for certain: all lines but the last, and of that all sentences but the last."""
        *lines, rest = self._text.split("\n")
        for line in lines:
            for raw in _spans(line):
                yield from self._drafted(raw)
            self._line_begins = True
        *whole, self._text = [""] if not rest else [rest] if _OPEN.search(rest) else _spans(rest)
        for raw in whole:
            yield from self._drafted(raw)

    def _drafted(self, raw: str) -> Iterator[Draft]:
        bare, markers = _without_markers(_BULLET.sub("", raw, count=1) if self._line_begins else raw)
        self._line_begins = False
        shown = " ".join(_BOLD.sub("", visible(bare)).split())
        if any(character.isalnum() for character in shown):
            numbers = dict.fromkeys(n for marker in markers for n in marker.numbers)
            yield Draft(shown, tuple(numbers))


def _spans(line: str) -> list[str]:
    """``line`` cut into its sentences, each with the markers that belong to it; together they are the line."""
    bare, markers = _without_markers(line)
    starts = [span.start for span in split(bare, Segment(0, len(bare), "prose", Place()))]
    # A marker behind the full stop and the blank is the sentence's before it: the next begins after the marker.
    edges = [0, *(_to_line(start, markers) for start in starts[1:]), len(line)]
    return [line[a:b] for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class _Marker:
    at: int  # in the text without markers
    length: int
    numbers: tuple[int, ...]


def _without_markers(line: str) -> tuple[str, list[_Marker]]:
    bare, markers, last = "", [], 0
    for found in _MARKER.finditer(line):
        bare += line[last : found.start()]
        numbers = re.findall(r"\d+", found.group("square") or found.group("lens"))
        markers.append(_Marker(len(bare), len(found.group()), tuple(int(n[:6]) for n in numbers)))
        last = found.end()
    return bare + line[last:], markers


def _to_line(at: int, markers: list[_Marker]) -> int:
    """The place in the line for a place in the text without markers, behind the markers that stand there."""
    return at + sum(marker.length for marker in markers if marker.at <= at)
