"""Packing sentences into passages.

Whole sentences, inside one section (a heading path, slide or sheet), as long as the encoder's window allows and no
longer. Passages tile the document's text: nothing lies outside them and nothing in two.

Where a section must be cut is decided by the text around the cut, not by how much came before it: among the places
that leave a passage well filled, ends of paragraphs first, the one whose neighbouring sentence has the smallest hash.
So after an edit the same cuts are found again a passage or two further on, and only the text around the edit has to be
embedded anew. (The idea is content-defined chunking, LBFS, Muthitacharoen et al. 2001.)
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from index.errors import SkipFile
from index.sentences import SENTENCE_RULES_VERSION, split
from index.types import Parsed, PassageSpan, Place, SentenceSpan

PASSAGE_RULES_VERSION = f"3.{SENTENCE_RULES_VERSION}"

_MAX_TOKEN_CHARS = 32  # a token's share of a sentence at most; real ones have five, and a word of a megabyte is one
_MIN_FILL = 0.5  # share of the window that a passage has at least, when its section is longer than the window

TokenSpans = Callable[[str], list[tuple[int, int]]]


class _Unit:
    """A sentence on its way into a passage, with its cost and surroundings."""

    __slots__ = ("ends_block", "n_tokens", "place", "span")

    def __init__(self, span: SentenceSpan, place: Place, n_tokens: int, ends_block: bool) -> None:
        self.span = span
        self.place = place
        self.n_tokens = n_tokens
        self.ends_block = ends_block  # last sentence of its segment


def build_passages(
    parsed: Parsed, token_spans: TokenSpans, max_tokens: int, max_passages: int = sys.maxsize
) -> list[PassageSpan]:
    """The passages of a document, in order, tiling ``parsed.text``; empty when it holds no text.

    ``token_spans`` are the encoder's tokens; no passage has more than ``max_tokens`` of them. A sentence that is
    longer is cut between words (inside one where a word alone is longer). Raises SkipFile("passage_cap") when there
    would be more than ``max_passages``."""
    text = parsed.text
    units: list[_Unit] = []
    tokens = 0
    for unit in _units(parsed, token_spans, max_tokens):
        units.append(unit)
        tokens += unit.n_tokens
        if tokens > max_passages * max_tokens:  # told as soon as it is sure: the rest of the text may be long
            raise SkipFile("passage_cap", f"more than {max_passages} passages")
    groups = [group for section in _sections(units) for group in _pack(text, section, max_tokens)]
    passages: list[PassageSpan] = []
    for group, n_tokens in _within_window(text, groups, token_spans, max_tokens):
        # Each passage starts where the one before it ended, so white space between two belongs to the first.
        start = 0 if not passages else group[0].span.start
        if passages:
            passages[-1] = _ending_at(passages[-1], start)
        spans = tuple(unit.span for unit in group)
        place = next((unit.place for unit in group if unit.span.kind != "heading"), group[0].place)
        passages.append(PassageSpan(start, group[-1].span.end, n_tokens, place, spans))
    if passages:
        passages[-1] = _ending_at(passages[-1], len(text))
    if len(passages) > max_passages:
        raise SkipFile("passage_cap", f"more than {max_passages} passages")
    return passages


def _ending_at(passage: PassageSpan, end: int) -> PassageSpan:
    return PassageSpan(passage.start, end, passage.n_tokens, passage.place, passage.sentences)


def _sections(units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
    """Runs of sentences under one heading path. A heading with nothing under it but other headings goes with the first
    section below it on the same slide or sheet: alone it would be found for its words and answer nothing."""
    waiting: list[_Unit] = []
    for _, found in groupby(units, key=lambda unit: _section(unit.place)):
        section = list(found)
        if waiting and _sheet(waiting[-1].place) != _sheet(section[0].place):
            yield waiting
            waiting = []
        if all(unit.span.kind == "heading" for unit in section):
            waiting += section
        else:
            yield waiting + section
            waiting = []
    if waiting:
        yield waiting


def _section(place: Place) -> tuple[object, ...]:
    return place.heading_path, place.slide, place.sheet, place.chapter


def _sheet(place: Place) -> tuple[object, ...]:
    return place.slide, place.sheet


def _units(parsed: Parsed, token_spans: TokenSpans, max_tokens: int) -> Iterator[_Unit]:
    for segment in parsed.segments:
        pieces: list[tuple[SentenceSpan, int]] = []
        for sentence in split(parsed.text, segment):
            pieces.extend(_cut_to_window(parsed.text, sentence, token_spans, max_tokens))
        for position, (span, n_tokens) in enumerate(pieces):
            yield _Unit(span, segment.place, n_tokens, position == len(pieces) - 1)


def _cut_to_window(
    text: str, sentence: SentenceSpan, token_spans: TokenSpans, max_tokens: int
) -> Iterator[tuple[SentenceSpan, int]]:
    """``sentence``, or consecutive pieces of it that each fit the window, with their token counts."""
    start = sentence.start
    while start < sentence.end:
        # No farther than a passage can reach: a line of millions of characters is looked at once, not once a piece.
        seen = min(start + _MAX_TOKEN_CHARS * max_tokens, sentence.end)
        tokens = token_spans(text[start:seen])
        if len(tokens) <= max_tokens and seen == sentence.end:
            yield SentenceSpan(start, sentence.end, sentence.kind), len(tokens)
            return
        # The first code point that no longer fits.
        limit = start + max(tokens[max_tokens][0], 1) if len(tokens) > max_tokens else seen
        blank = max(text.rfind(" ", start + 1, limit), text.rfind("\n", start + 1, limit))
        end = blank if blank > start else limit
        piece_end = start + len(text[start:end].rstrip())
        n_tokens = len(token_spans(text[start:piece_end]))
        yield SentenceSpan(start, piece_end, sentence.kind), n_tokens
        start = _next_word(text, end, sentence.end)


def _next_word(text: str, start: int, end: int) -> int:
    """The first place from ``start`` that is not white space."""
    while start < end and text[start].isspace():
        start += 1
    return start


def _pack(text: str, units: Sequence[_Unit], max_tokens: int) -> Iterator[list[_Unit]]:
    """Cut one section into runs of sentences of at most ``max_tokens``."""
    start = 0
    while start < len(units):
        total, end, best, best_rank = 0, start, start, (2, b"")
        while end < len(units) and total + units[end].n_tokens <= max_tokens:
            total += units[end].n_tokens
            end += 1
            if total >= _MIN_FILL * max_tokens and end < len(units):
                rank = _rank(text, units, end)
                if rank <= best_rank:
                    best, best_rank = end, rank
        if end == len(units):
            cut = end
        elif best > start:
            cut = best
        else:
            cut = max(end, start + 1)
        yield list(units[start:cut])
        start = cut


def _rank(text: str, units: Sequence[_Unit], end: int) -> tuple[int, bytes]:
    """How good a cut before ``units[end]`` is; lower is better. Depends on the sentence after the cut alone."""
    span = units[end].span
    digest = hashlib.blake2b(text[span.start : span.end].encode(), digest_size=8).digest()
    return (0 if units[end - 1].ends_block else 1, digest)


def _within_window(
    text: str, groups: list[list[_Unit]], token_spans: TokenSpans, max_tokens: int
) -> Iterator[tuple[list[_Unit], int]]:
    """Each group with its tokens, halved where they are more than its sentences had apart (some tokenisers join
    words)."""
    for group in groups:
        if len(group) == 1:
            yield group, group[0].n_tokens
            continue
        n_tokens = len(token_spans(text[group[0].span.start : group[-1].span.end]))
        if n_tokens > max_tokens:
            middle = len(group) // 2
            yield from _within_window(text, [group[:middle], group[middle:]], token_spans, max_tokens)
        else:
            yield group, n_tokens
