"""PDF: paragraphs and headings from the lines pdfium finds on each page and where it finds them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from ctypes import c_uint
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from statistics import median
from typing import Any

import pypdfium2
from pypdfium2 import raw

from index.errors import SkipFile
from index.parse.builder import Outline, TextBuilder, has_words, one_line
from index.parse.decode import clean
from index.parse.hidden import note_of_text
from index.parse.limits import Limits
from index.types import Parsed, Place, SegmentKind

DAMAGE = (pypdfium2.PdfiumError,)

_MAGIC, _MAGIC_WITHIN = b"%PDF", 1024  # readers accept so many bytes of junk before it
_BREAK = "\ufffe"  # pdfium's mark for a hyphen at the end of a line
_HEADING_SCALE = 1.15  # over the body's size
_MAX_HEADING_CHARS = 200
_SAME_SIZE = 0.08
_RUNNING_PAGES = 3  # a line at the edge of so many pages is a running header or footer
_EDGE_SHARE = 0.08  # of the page's height, where those stand
_TEXT, _MAX_TEXTS, _MAX_FORMS = raw.FPDF_PAGEOBJ_TEXT, 20_000, 3  # objects of a page that are looked at, and how deep
_WHITE = 250  # of 255; near-white is as good as white
_TINY = 2.0  # points from foot to top of a text: type of three points and less
_HIDDEN_NOTES = 20
_NEARBY_LINES = 6  # that share a column's right edge
_JUNK_TITLE = re.compile(r"untitled.*|microsoft word.*|\(?anonymous\)?|.*\.(?:docx?|pdf|tex|indd|dvi)", re.IGNORECASE)
_BULLET = re.compile(r"[-•‣◦▪–*]\s+(?=\S)")
_NUMBERED = re.compile(r"\(?\d{1,3}[.)]\s+\S")
_SENTENCE_END = re.compile(r"[.!?:…。！？][\"'”’»)\]]*$")
_COMPOUND = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_BROKEN = re.compile(rf"(\w*)-?{_BREAK}\s*(\w*)")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text in PDF points, which grow to the right and upwards."""

    text: str
    left: float
    right: float
    top: float
    bottom: float
    edge: bool  # in the page's top or bottom margin

    @property
    def size(self) -> float:
        return max(self.top - self.bottom, 0.1)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of a PDF, each segment with its page; title from its opening heading, else from its metadata.

    Raises SkipFile: type_mismatch, encrypted, corrupt, no_text."""
    if _MAGIC not in data[:_MAGIC_WITHIN]:
        raise SkipFile("type_mismatch", "no PDF header")
    builder = TextBuilder(limits)
    try:
        with pypdfium2.PdfDocument(data) as document:
            metadata = one_line(document.get_metadata_value("Title"))
            pages, hidden = [], []
            for number in range(min(len(document), limits.max_pages)):
                lines, unseen = _lines(document, number)
                pages.append(lines)
                if unseen:
                    hidden.append(note_of_text(unseen, f"page {number + 1}: "))
            for note in hidden[:_HIDDEN_NOTES]:
                builder.warn(note)
            if len(hidden) > _HIDDEN_NOTES:
                builder.warn(f"hidden_text: {len(hidden)} pages have some")
            if len(document) > limits.max_pages:
                builder.warn(f"only the first {limits.max_pages} of {len(document)} pages were read")
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() and b"/Encrypt" in data:  # pdfium says so of some damage too
            raise SkipFile("encrypted") from error
        raise
    if not pages:
        raise SkipFile("corrupt", "the file has no pages")
    blank = [str(number) for number, lines in enumerate(pages, start=1) if not lines]
    if len(blank) == len(pages):
        raise SkipFile("no_text")
    if blank:
        builder.warn(f"page{'s' * (len(blank) > 1)} {', '.join(blank[:20])}{' ...' * (len(blank) > 20)} without text")
    title = _add_pages(builder, pages)
    return builder.parsed(title or ("" if _JUNK_TITLE.fullmatch(metadata) else metadata))


def _lines(document: Any, index: int) -> tuple[list[_Line], Counter[str]]:
    """The lines of one page, 0-based here, in pdfium's reading order, and how many of its texts are not seen."""
    page = document[index]
    height = page.get_height()
    unseen = Counter(way for text in _texts(page) if (way := _unseen(text, page)))
    textpage = page.get_textpage()
    read = textpage.get_text_range()
    # Boxes are asked for by UTF-16 unit; a page whose count differs is laid out in characters instead.
    mapped = len(read.encode("utf-16-le", "surrogatepass")) // 2 == textpage.count_chars()
    lines: list[_Line] = []
    unit = 0
    for number, line in enumerate(read.split("\r\n")):
        units = len(line.encode("utf-16-le", "surrogatepass")) // 2
        words = clean(line).strip()
        if words and mapped:
            left, _, _, top = textpage.get_charbox(unit, loose=True)
            _, bottom, right, _ = textpage.get_charbox(unit + units - 1, loose=True)
            if _BREAK in words:
                bottom = min(bottom, top - 0.1)
            margin = top < _EDGE_SHARE * height or bottom > (1 - _EDGE_SHARE) * height
            lines.append(_Line(words, left, right, top, bottom, margin))
        elif words:
            lines.append(_Line(words, 0, len(words) / 2, -1.2 * number, -1.2 * number - 1, False))
        unit += units + 2
    textpage.close()
    page.close()
    return lines, unseen


def _texts(page: Any) -> Iterator[Any]:
    return islice(page.get_objects(filter=[_TEXT], max_depth=_MAX_FORMS), _MAX_TEXTS)


def _unseen(text: Any, page: Any) -> str:
    """How a text object is kept from being seen; "" when it can be. What lies under a picture is not told."""
    if raw.FPDFTextObj_GetTextRenderMode(text.raw) == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
        return "in invisible mode"  # as the words under a scan are
    red, green, blue, alpha = (c_uint(), c_uint(), c_uint(), c_uint())
    if raw.FPDFPageObj_GetFillColor(text.raw, red, green, blue, alpha):
        if alpha.value == 0:
            return "transparent"
        if min(red.value, green.value, blue.value) >= _WHITE:
            return "white"
    left, bottom, right, top = text.get_bounds()
    if right < 0 or top < 0 or left > page.get_width() or bottom > page.get_height():
        return "outside of the page"
    return "smaller than can be read" if 0 < top - bottom < _TINY else ""


def _add_pages(builder: TextBuilder, pages: list[list[_Line]]) -> str:
    """Append every page's paragraphs; the text of a heading that opens the document, "" without one."""
    body = _body_size(pages)
    repeated = _running_lines(pages)
    compounds = {word.lower() for lines in pages for line in lines for word in _COMPOUND.findall(line.text)}
    levels = _heading_levels(pages, body)
    outline, title, first = Outline(), "", True
    for number, lines in enumerate(pages, start=1):
        running = [line.edge and _masked(line) in repeated for line in lines]
        for header, section in groupby(zip(running, lines, strict=True), key=lambda pair: pair[0]):
            found = [line for _, line in section]
            for group in ([line] for line in found) if header else _paragraphs(found):
                text = _unwrap(group, compounds)
                kind: SegmentKind = "furniture"
                level = 0
                if not header:
                    kind, level, text = _kind(group[0], text, body, levels)
                if level:
                    outline.enter(level, text)
                    title = text if first else title
                builder.add(text, kind, Place(outline.path, page=number))
                first = first and header
    return title


def _kind(line: _Line, text: str, body: float, levels: dict[int, int]) -> tuple[SegmentKind, int, str]:
    """What a paragraph is, by its first line; its heading level, 0 for none; its text without a bullet."""
    if _is_heading(line, body) and len(text) <= _MAX_HEADING_CHARS:
        return "heading", levels[round(line.size)], text
    if bullet := _BULLET.match(text):
        return "item", 0, text[bullet.end() :]
    return ("item" if _NUMBERED.match(text) else "prose"), 0, text


def _body_size(pages: list[list[_Line]]) -> float:
    """Size of most characters."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            if _BREAK not in line.text:
                sizes[round(line.size, 1)] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _is_heading(line: _Line, body: float) -> bool:
    return line.size >= _HEADING_SCALE * body and _BREAK not in line.text and has_words(line.text)


def _heading_levels(pages: list[list[_Line]], body: float) -> dict[int, int]:
    """Level of each size of heading: the largest is 1. Beyond six sizes the rest share a level."""
    sizes = sorted({round(line.size) for lines in pages for line in lines if _is_heading(line, body)}, reverse=True)
    return {size: min(rank, 6) for rank, size in enumerate(sizes, start=1)}


def _masked(line: _Line) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", line.text)


def _running_lines(pages: list[list[_Line]]) -> set[str]:
    """Headers and footers: what stands in the margin of several pages, page numbers aside."""
    seen = Counter(masked for lines in pages for masked in {_masked(line) for line in lines if line.edge})
    return {masked for masked, count in seen.items() if count >= max(_RUNNING_PAGES, len(pages) // 3)}


def _paragraphs(lines: list[_Line]) -> Iterator[list[_Line]]:
    """The lines of a page, put together by size, gap, indent and whether the margin forced the line break."""
    gaps = [a.bottom - b.top for a, b in pairwise(lines) if a.top > b.top]
    usual = median(gaps) if gaps else 0.0
    group: list[_Line] = []
    for number, line in enumerate(lines):
        if group:
            near = lines[max(0, number - _NEARBY_LINES) : number + _NEARBY_LINES]
            right = max(
                (other.right for other in near if abs(other.left - line.left) < 3 * line.size), default=line.right
            )
            if not _continues(group, line, usual, right):
                yield group
                group = []
        group.append(line)
    if group:
        yield group


def _continues(group: list[_Line], line: _Line, usual_gap: float, right: float) -> bool:
    """Whether a line goes on with the paragraph before it; ``right`` is where their column ends."""
    before = group[-1]
    ended = _SENTENCE_END.search(before.text[-8:]) is not None
    if _BULLET.match(line.text) or (_NUMBERED.match(line.text) and (ended or _NUMBERED.match(group[0].text))):
        return False
    hyphenated = _BREAK in before.text or _BREAK in line.text
    if not hyphenated and abs(line.size - before.size) > _SAME_SIZE * before.size:
        return False
    if line.top > before.top:
        return not ended  # the next column
    if before.bottom - line.top > min(usual_gap, 0.5 * line.size) + 0.35 * line.size:
        return False
    item = _BULLET.match(group[0].text) or _NUMBERED.match(group[0].text)
    if line.left > before.left + 0.8 * line.size and not item and line.left < right / 2:
        return False
    word = line.text.split(maxsplit=1)[0]
    word_width = (line.right - line.left) * len(word) / len(line.text)
    room = right - before.right - 0.25 * line.size
    # A break that the margin did not force: after a sentence it is a paragraph's end, elsewhere only when much is left.
    return room < word_width or (not ended and room < 0.3 * (right - min(before.left, line.left)))


def _unwrap(group: list[_Line], compounds: set[str]) -> str:
    """The paragraph on one line. A word broken at a line's end is joined, its hyphen kept only where the document
    writes the word with one elsewhere or the second half begins with a capital or a digit."""
    text = group[0].text
    for line in group[1:]:
        broken = re.search(r"\w[-\xad]$", text) and line.text[0].isalnum()
        text = text[:-1] + _BREAK + line.text if broken else f"{text} {line.text}"

    def mend(match: re.Match[str]) -> str:
        left, right = match[1], match[2]
        whole = f"{left}-{right}".lower() in compounds or not right[:1].islower()
        return f"{left}{'-' if whole else ''}{right}"

    return _BROKEN.sub(mend, text).replace("\xad", "")
