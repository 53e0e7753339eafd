"""What is fed with any bytes at all: every parser, and what makes sentences and passages of a text.

A target takes bytes and returns when what must hold of the result holds. That a file is skipped, with a typed reason,
is a result too; whether it was read is returned. Whatever else it raises is a fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from io import BytesIO
from itertools import pairwise

import docx
import pptx

from index.errors import SKIP_REASONS, SkipFile
from index.parse import FORMATS, Limits, parse
from index.passages import build_passages
from index.sentences import split
from index.types import Parsed, PassageSpan, Place, Segment, SegmentKind
from tests.fakes import FakeEncoder
from tests.hostile import files
from tests.index.parsing import check

# Small, so that a few kilobytes reach every one of them.
LIMITS = Limits(
    max_text_chars=50_000, max_segments=2_000, max_passages=500, max_pages=4, max_rows=200, max_columns=100,
    max_zip_bytes=1_000_000, max_zip_entries=60,
)  # fmt: skip
_WINDOW = 40
_LOOKED_AT_CHARS = 20_000  # of a text whose passages are looked at one by one; beyond, only its parser is tried
_KINDS: Sequence[SegmentKind] = ("prose", "heading", "item", "row", "furniture")

Read = Callable[[bytes, str, Limits], Parsed]
TokenSpans = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], bool]  # whether it was read


def tokens(text: str) -> list[tuple[int, int]]:
    return FakeEncoder().token_spans(text)


def hold(parsed: Parsed, passages: Sequence[PassageSpan], token_spans: TokenSpans, window: int) -> None:
    """Passages tile the text, fit the window, and hold every segment's characters once, in trimmed sentences."""
    text = parsed.text
    assert bool(passages) == bool(parsed.segments), "text without a passage"
    if not passages:
        return
    assert (passages[0].start, passages[-1].end) == (0, len(text)), "passages do not cover the text"
    assert all(one.end == two.start for one, two in pairwise(passages)), "passages overlap or leave a gap"
    covered = bytearray(len(text))
    for passage in passages:
        count = len(token_spans(text[passage.start : passage.end].strip()))
        assert passage.n_tokens == count <= window, f"{count} tokens in a window of {window}"
        end = passage.start
        for sentence in passage.sentences:
            assert end <= sentence.start < sentence.end <= passage.end, "sentences out of order"
            quote = text[sentence.start : sentence.end]
            assert quote == quote.strip(), "a sentence that is not trimmed"
            covered[sentence.start : sentence.end] = b"\1" * len(quote)
            end = sentence.end
    for place, char in enumerate(text):
        assert covered[place] or char.isspace(), f"{char!r} at {place} is in no sentence"


# -- parsers -----------------------------------------------------------------------------------------------------------


def reads(suffix: str, data: bytes, read: Read = parse) -> bool:
    """Parses a file, and makes passages of what was read; False when it is skipped."""
    try:
        parsed = check(read(data, suffix, LIMITS))
        passages = build_passages(parsed, tokens, _WINDOW, LIMITS.max_passages)
    except SkipFile as skipped:
        assert skipped.reason in SKIP_REASONS, skipped.reason
        return False
    if len(parsed.text) <= _LOOKED_AT_CHARS:
        hold(parsed, passages, tokens, _WINDOW)
    return True


def _parser(suffix: str, *seeds: bytes | str) -> Target:
    whole = tuple(seed.encode() if isinstance(seed, str) else seed for seed in seeds)
    return Target(suffix[1:], whole, lambda data: reads(suffix, data))


def _part(suffix: str, archive: bytes, part: str) -> Target:
    """One file inside an archive: bytes changed at random would only break the archive's own checks."""
    name = f"{suffix[1:]}-{part.rsplit('/', 1)[-1]}"
    seed = files.entry(archive, part).encode()
    return Target(name, (seed,), lambda data: reads(suffix, files.repacked(archive, {part: data})))


def _mail() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "Ada <ada@example.org>", "Die Lampe fürs Café"
    mail.set_content("Dear Alan,\n\n> Is it lit?\n\nYes.\n-- \nAda\n")
    mail.add_alternative("<p>Dear <b>Alan</b></p>", subtype="html")
    mail.add_attachment(b"\0\1", maintype="image", subtype="png", filename="lamp.png")
    return mail.as_bytes()


def _slides() -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "The lamp"
    slide.placeholders[1].text = "It is lit at dusk.\nIt goes out at dawn."
    slide.notes_slide.notes_text_frame.text = "Say who lights it."
    out = BytesIO()
    show.save(out)
    return out.getvalue()


def _word() -> bytes:
    document = docx.Document()
    document.add_heading("The lamp", 1)
    document.add_paragraph("It is lit at dusk.")
    document.add_paragraph("oil", "List Bullet")
    document.add_table(2, 2).cell(0, 0).text = "Dusk"
    out = BytesIO()
    document.save(out)
    return out.getvalue()


_PROSE = (
    "The lamp was lit in 1925. Its keeper, Dr. Ada Holm, climbs 90 steps (e.g. at dusk).\n\nNo. 5 is dark! 東京。🚢\n"
)
_MARKDOWN = (
    "---\ntitle: Lamps\n---\n# Lamps\n\n- oil\n  1. wick\n\n> quoted [link](http://x)\n\n"
    f"| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n{_PROSE}"
)
_HTML = (
    "<!DOCTYPE html><html><head><title>Lamps</title><meta charset=utf-8><style>p{}</style></head><body><h1>Lamps</h1>"
    f"<p>{_PROSE}</p><ul><li>oil<li>wick</ul><table><tr><td rowspan=2>1<td>2</table><pre>a\n b</pre><p hidden>no</p>"
    "<p style='display:none'>no</p><script>1</script>&amp;&#x1F6A2;</body></html>"
)


def make_targets() -> list[Target]:
    """Every suffix that is read, the parts of the formats that are archives, and texts."""
    word, slides, sheet = _word(), _slides(), files.sheet(("Town", "Year"), ("Odde", "1911"))
    book = files.epub("<h1>Dusk</h1><p>It is lit.</p>")
    parsers = [
        _parser(".txt", _PROSE, _PROSE.encode("utf-16"), _PROSE[:80].encode("cp1251", "replace")),
        _parser(".md", _MARKDOWN),
        _parser(".html", _HTML, _HTML.encode("utf-16")),
        _parser(".pdf", files.pdf("The lamp was lit in 1925.", hidden="Unseen.", how="mode"),
                files.pdf_page(files.pdf_words("Lamps"))),
        _parser(".docx", word),
        _parser(".pptx", slides),
        _parser(".xlsx", sheet),
        _parser(".csv", 'Town,Year\n"Odde, old",1911\n"a\nb",=1+1\n', "a;b\n1;2\n"),
        _parser(".tsv", "Town\tYear\nOdde\t1911\n"),
        _parser(".eml", _mail()),
        _parser(".epub", book),
    ]  # fmt: skip
    known = {FORMATS[f".{parser.name}"].name for parser in parsers}
    assert known == {row.name for row in FORMATS.values()}, "a format that is not tried"
    return [
        *parsers,
        _part(".docx", word, "word/document.xml"),
        _part(".docx", word, "word/styles.xml"),
        _part(".pptx", slides, "ppt/slides/slide1.xml"),
        _part(".xlsx", sheet, "xl/worksheets/sheet1.xml"),
        _part(".xlsx", sheet, "xl/workbook.xml"),
        _part(".epub", book, "book.opf"),
        Target("passages", (_PROSE.encode(), _MARKDOWN.encode()), cuts),
    ]


# -- texts -------------------------------------------------------------------------------------------------------------


def document_of(data: bytes) -> tuple[Parsed, int]:
    """A text of segments of all kinds, and a window, both taken from the bytes."""
    text = re.sub("[\0\r]", "", data.decode("utf-8", "replace"))
    segments: list[Segment] = []
    for found in re.finditer(r"(?:(?!\n\n).)+", text, re.DOTALL):
        block = found.group()
        start = found.start() + len(block) - len(block.lstrip())
        if block.strip():
            path = ("Lamps",) * (len(block) % 3)
            segments.append(Segment(start, start + len(block.strip()), _KINDS[len(block) % 5], Place(path)))
    return Parsed(text, tuple(segments), ""), 8 + len(data) % 40


def cuts(data: bytes, build: Callable[[Parsed, TokenSpans, int], list[PassageSpan]] = build_passages) -> bool:
    """Sentences lie within their segment, in order and trimmed; passages tile."""
    parsed, window = document_of(data)
    for segment in parsed.segments:
        end = segment.start
        for sentence in split(parsed.text, segment):
            assert end <= sentence.start < sentence.end <= segment.end, "a sentence outside its segment"
            assert not parsed.text[end : sentence.start].strip(), "characters that are in no sentence"
            end = sentence.end
        assert not parsed.text[end : segment.end].strip(), "characters that are in no sentence"
    hold(parsed, build(parsed, tokens, window), tokens, window)
    return bool(parsed.segments)
