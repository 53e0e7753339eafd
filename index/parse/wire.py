"""What goes between a build and its parser process: frames of bytes, and a Parsed as JSON.

The process may have been taken over by what it read. So nothing is unpickled, sizes are bounded, and what comes back is
checked to be a Parsed before it is believed to be one.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, get_args

from index.errors import SKIP_REASONS, SkipFile
from index.parse.decode import clean
from index.types import Parsed, Place, Segment, SegmentKind

EXIT_NO_MEMORY = 3  # of a process that could not even take a file in
_HEAD = struct.Struct("!Q")
_KINDS = frozenset(get_args(SegmentKind))
_PLACE_TYPES = (int, int, str, int, str)  # page, slide, sheet, row, chapter
_MAX_DETAIL_CHARS = 500


class BrokenMessage(ValueError):
    """What came is not what a parser sends."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not parsed. ``exhausted``: for want of memory, which may be the fault of files before it."""

    reason: str
    detail: str
    exhausted: bool = False

    def as_skip(self) -> SkipFile:
        return SkipFile(self.reason, self.detail)


def framed(message: bytes) -> bytes:
    """The message with its length in front."""
    return _HEAD.pack(len(message)) + message


def read_frame(receive: Callable[[int], bytes], max_bytes: int) -> bytes | None:
    """The next message, None at the end of the stream; ``receive`` gives at most so many bytes, none at the end.

    Raises BrokenMessage when it is longer than ``max_bytes`` or ends early."""
    head = _exactly(receive, _HEAD.size)
    if not head:
        return None
    (size,) = _HEAD.unpack(head)
    if size > max_bytes:
        raise BrokenMessage(f"a message of {size} bytes; the limit is {max_bytes}")
    message = _exactly(receive, size)
    if size and not message:
        raise BrokenMessage("a message without its end")
    return message


def _exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    """``size`` bytes, or none when the stream ends right here."""
    got = bytearray()
    while len(got) < size:
        piece = receive(min(size - len(got), 1 << 20))
        if not piece:
            if got:
                raise BrokenMessage("a message without its end")
            return b""
        got += piece
    return bytes(got)


def encode(result: Parsed | Refusal) -> bytes:
    """JSON in UTF-8; places are listed once and named by number."""
    if isinstance(result, Refusal):
        return json.dumps(astuple(result)).encode()
    numbers: dict[Place, int] = {}
    segments = [(s.start, s.end, s.kind, numbers.setdefault(s.place, len(numbers))) for s in result.segments]
    places = [(p.heading_path, p.page, p.slide, p.sheet, p.row, p.chapter) for p in numbers]
    value = {
        "text": result.text, "segments": segments, "places": places, "title": result.title, "warnings": result.warnings
    }  # fmt: skip
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode(message: bytes) -> Parsed | Refusal:
    """What ``encode`` made. Raises BrokenMessage for anything else."""
    try:
        value = json.loads(message.decode())
        return _refusal(value) if isinstance(value, list) else _parsed(value)
    except BrokenMessage:
        raise
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BrokenMessage(f"not a parsed text ({type(error).__name__})") from error


def _refusal(value: list[Any]) -> Refusal:
    reason, detail, exhausted = value
    if reason not in SKIP_REASONS:
        raise BrokenMessage("a reason that there is not")
    return Refusal(reason, _text(detail)[:_MAX_DETAIL_CHARS], exhausted is True)


def _parsed(value: dict[str, Any]) -> Parsed:
    text = _text(value["text"])
    places = [_place(fields) for fields in value["places"]]
    segments: list[Segment] = []
    end = 0
    for start, stop, kind, place in value["segments"]:
        if type(start) is not int or type(stop) is not int or not end <= start < stop <= len(text):
            raise BrokenMessage("segments that are not in order")
        if kind not in _KINDS or place < 0:
            raise BrokenMessage("a segment of no kind or place")
        segments.append(Segment(start, stop, kind, places[place]))
        end = stop
    return Parsed(text, tuple(segments), _text(value["title"]), tuple(_text(warning) for warning in value["warnings"]))


def _place(fields: list[Any]) -> Place:
    path, *rest = fields
    if type(path) is not list:
        raise BrokenMessage("a place that is none")
    for field, kind in zip(rest, _PLACE_TYPES, strict=True):
        if field is not None and type(field) is not kind:
            raise BrokenMessage("a place that is none")
    page, slide, sheet, row, chapter = rest
    return Place(tuple(_text(heading) for heading in path), page, slide, sheet and _text(sheet), row, chapter)


def _text(value: Any) -> str:
    """A clean string: no lone surrogate, which JSON can smuggle, and no control character."""
    if type(value) is not str or clean(value) != value:
        raise BrokenMessage("text that is not clean")
    return value
