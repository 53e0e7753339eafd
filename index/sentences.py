"""Where sentences begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from index.types import Segment, SentenceSpan

SENTENCE_RULES_VERSION = "4"

# nupunkt learned 2,900 abbreviations of three letters and more from court papers, and many are words that sentences end
# with: book, coal, hall, knees, story, week. Of the plain words among them only these are kept.
_ABBREVIATIONS = frozenset(
    """acct adm admin amend ann approx apr apt ariz assn assoc asst atty aug ave bldg blvd bros calif capt cert cir civ
    cmdr col colo comm commr conf cong conn const corp cpl crim dec dept dir dist div eds esp esq est etc exec
    feb fig figs fla gen gov govs govt hon hosp hwy inc inst int jan jour jul jun kan lit ltd maj mar messrs mfg
    mich minn mont neb nev nos nov oct okla para paras penn pres prof pvt regs rep rev sec secs sect sen sens
    sep sept sgt soc srta subd supp suppl supt tenn tex trans treas univ viz vol vols wis wisc""".split()  # noqa: SIM905
)
_NO_ABBREVIATIONS = frozenset({"ah", "ma", "pa", "so"})

# nupunkt breaks after these now and then; what follows them never starts a sentence.
_NEVER_LAST = re.compile(
    r"(?:^|[\s(\[“\"'])(?:Mr|Mrs|Ms|Dr|Prof|Rev|Gen|Col|Maj|Capt|Lt|Sgt|Sen|Rep|Gov|Hon|St|Mt|Fig|Figs|Eq|Eqs|Vol|pp|"
    r"p|v|vs|ca|cf|e\.g|i\.e|approx|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|[A-Z])\.$"
)
_ABBREVIATED_MONTH_OR_NUMBER = re.compile(
    r"(?:^|\s)(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|No|Nos|Vol|Fig|Eq|pp|p|[Aa]rts?|[Ss]ec)\.$"
)
_LOOK_BACK = 200  # characters around a break that tell whether it is one; a sentence may have millions
_LIST_NUMBER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])[.)]")
_CJK_END = re.compile(r"[。！？]+[」』）〉》”’]*")  # no blank follows, so nupunkt sees no end


@cache
def _splitter() -> Any:
    # Loaded on first use: the model takes a quarter of a second, and serving never splits text.
    import nupunkt

    model = nupunkt.load_default_model()
    for word in list(model.abbreviations):
        plain = len(word) > 2 and word.isascii() and word.isalpha()
        if word in _NO_ABBREVIATIONS or (plain and word not in _ABBREVIATIONS):
            model.remove_abbreviation(word)
    return model


def split(text: str, segment: Segment) -> list[SentenceSpan]:
    """The sentences of one segment, as trimmed ranges of the document's text, in order.

    A row is one sentence and so is a heading: their punctuation is not prose."""
    if segment.kind in ("row", "heading", "furniture"):
        return [SentenceSpan(segment.start, segment.end, segment.kind)]
    body = text[segment.start : segment.end]
    spans: list[SentenceSpan] = []
    for start, end in _cut_cjk(body, _joined(body, [span for _, span in _splitter().tokenize_with_spans(body)])):
        trimmed = body[start:end].strip()
        if trimmed:
            lead = start + len(body[start:end]) - len(body[start:end].lstrip())
            first = segment.start + lead
            spans.append(SentenceSpan(first, first + len(trimmed), segment.kind))
    return spans


def _joined(body: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """``spans`` with false breaks undone: after an abbreviation or a list's number, before a lower-case word."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        before = max(joined[-1][0], joined[-1][1] - _LOOK_BACK) if joined else 0
        if joined and false_break(
            body[before : joined[-1][1]].rstrip(), body[start : min(end, start + _LOOK_BACK)].lstrip()
        ):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _cut_cjk(body: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """``spans``, cut again after each full stop of Chinese or Japanese."""
    for start, end in spans:
        for stop in _CJK_END.finditer(body, start, end):
            yield start, stop.end()
            start = stop.end()
        yield start, end


def false_break(before: str, after: str) -> bool:
    """Whether no sentence ends between ``before`` and ``after``, though ``before`` has a full stop at its end."""
    if not before or not after:
        return True
    if _LIST_NUMBER.fullmatch(before.lstrip()):
        return True
    if before.endswith("\n") or before[-1] != ".":
        return False
    if after[0].islower():
        return True
    if after[0].isdigit() and _ABBREVIATED_MONTH_OR_NUMBER.search(before):
        return True
    # A single capital ("J.") or a title ("Dr.") is followed by a name; "Plan B." before a new sentence is the price.
    return bool(_NEVER_LAST.search(before)) and after[0].isupper()
