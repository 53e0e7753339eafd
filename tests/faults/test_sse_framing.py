"""No text can break the frames of an event stream, however the network cuts it up.

The parser here is written from the HTML standard (section 9.2.6), byte by byte, and shares nothing with the server."""

from __future__ import annotations

import codecs
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from api.chat import DONE, data
from api.sse import named, to_sse
from rag.types import AnswerSentence, PassagesFound, RetrievedPassage, SentenceReady
from tests.faults.campaign import Campaigns

_BATCH = 100  # streams that hypothesis makes at a time
_LINE_ENDS = ("\r", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e")
_FRAMES = ("event:", "event: done", "data:", "data: {}", "data: [DONE]", "id: 1", "retry: 0", ":", ": ping", "\n\n")
TEXT = st.lists(
    st.one_of(st.sampled_from(_LINE_ENDS), st.sampled_from(_FRAMES), st.text(st.characters(exclude_categories=["Cs"]))),
    max_size=12,
).map("".join)

Event = tuple[str, str]
"""Name and data."""


class Parser:
    """Takes bytes as they come; gives events as they are complete."""

    def __init__(self, *, unicode_lines: bool = False) -> None:
        """``unicode_lines``: as some clients do, end lines wherever Unicode says that one ends."""
        self._decode = codecs.getincrementaldecoder("utf-8")("strict")
        self._unicode_lines = unicode_lines
        self._begun = False
        self._rest = ""
        self._name, self._data = "", []  # type: str, list[str]

    def feed(self, chunk: bytes) -> Iterator[Event]:
        text = self._decode.decode(chunk)
        if text and not self._begun:
            self._begun, text = True, text.removeprefix("\ufeff")
        self._rest += text
        for line in self._lines():
            yield from self._line(line)

    def _lines(self) -> Iterator[str]:
        """The lines that are complete; a CR at the very end may yet be half a CR LF."""
        if self._unicode_lines:
            lines = self._rest.splitlines(keepends=True)
            if lines and (lines[-1].endswith("\r") or lines[-1] == lines[-1].splitlines()[0]):
                self._rest = lines.pop()
            else:
                self._rest = ""
            yield from (line.splitlines()[0] for line in lines)
            return
        while True:
            ends = [at for at in (self._rest.find("\r"), self._rest.find("\n")) if at >= 0]
            if not ends or (self._rest[min(ends)] == "\r" and min(ends) == len(self._rest) - 1):
                return
            end = min(ends)
            line, after = self._rest[:end], end + (2 if self._rest[end : end + 2] == "\r\n" else 1)
            self._rest = self._rest[after:]
            yield line

    def _line(self, line: str) -> Iterator[Event]:
        if not line:
            if self._data:
                yield self._name or "message", "\n".join(self._data)
            self._name, self._data = "", []
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)

    @property
    def is_done(self) -> bool:
        """Whether the stream ended with an event, and not within one."""
        return not (self._rest or self._name or self._data)


def parsed(stream: bytes, chance: random.Random, *, unicode_lines: bool) -> list[Event]:
    """The events of a stream that arrives in pieces of any size, in the middle of letters too."""
    parser = Parser(unicode_lines=unicode_lines)
    events: list[Event] = []
    at = 0
    while at < len(stream):
        size = chance.choice((1, 1, 2, 3, 7, 100, len(stream)))
        events += parser.feed(stream[at : at + size])
        at += size
    assert parser.is_done
    return events


def sentence(text: str, n: int) -> SentenceReady:
    said = AnswerSentence(text=text, start=0, end=len(text), citations=(n,), support=1.0, verdict="supported")
    return SentenceReady(said, ())


def passage(text: str) -> PassagesFound:
    found = RetrievedPassage("p-0-1", "p", text, 0, len(text), text, 1.0, text, None, (text,))
    return PassagesFound("a", "000001", (found,))


Framing = Callable[[str, dict[str, Any]], bytes]


def differs(frame: Framing, texts: Iterable[str], chance: random.Random, *, unicode_lines: bool) -> bool:
    sent = [("sentence", {"text": text, "key " + text: [text]}) for text in texts]
    stream = b"".join(frame(name, body) for name, body in sent)
    try:
        got = parsed(stream, chance, unicode_lines=unicode_lines)
        return [(name, json.loads(body)) for name, body in got] != sent
    except (AssertionError, ValueError):
        return True


def stream_many(number: int, count: int) -> None:
    """So many streams; an AssertionError for the first that does not arrive as it was sent."""

    @seed(number)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(st.lists(TEXT, max_size=5), st.randoms(use_true_random=False), st.booleans())
    def check(texts: list[str], chance: random.Random, unicode_lines: bool) -> None:
        assert not differs(named, texts, chance, unicode_lines=unicode_lines)
        ready = [sentence(text, n) for n, text in enumerate(texts)]
        events: list[Any] = [passage("".join(texts)), *ready]
        got = parsed(b"".join(map(to_sse, events)), chance, unicode_lines=unicode_lines)
        assert [name for name, _ in got] == ["passages", *("sentence" for _ in ready)]
        assert [json.loads(body) for _, body in got] == [json.loads(json.dumps(asdict(event))) for event in events]
        assert "".join(json.loads(body)["sentence"]["text"] for _, body in got[1:]) == "".join(texts)
        chunks = b"".join(data({"content": text}) for text in texts) + DONE
        *got, last = parsed(chunks, chance, unicode_lines=unicode_lines)
        assert [(name, json.loads(body)) for name, body in got] == [("message", {"content": text}) for text in texts]
        assert last == ("message", "[DONE]")

    check()


def test_what_is_sent_arrives_as_it_is_however_it_is_cut_up(campaign: Campaigns) -> None:
    with campaign("L14", "texts in a stream of events", push=200, release=10_000) as trials:
        for trial in trials:
            if trial % _BATCH == 0:
                stream_many(trial, _BATCH)


def test_the_parser_reads_what_the_standard_says() -> None:
    stream = "\ufeff: hello\rdata: one\r\ndata:two\n\nevent: x\ndata\n\nid: 7\n\ndata: a\u2028b\n\n".encode()
    expected = [("message", "one\ntwo"), ("x", ""), ("message", "a\u2028b")]
    for number in range(50):
        assert parsed(stream, random.Random(number), unicode_lines=False) == expected


def test_frames_around_plain_text_would_be_broken(campaign: Campaigns) -> None:
    """The null controls: JSON with its letters as they are, and line ends left as they are."""

    def letters(name: str, body: dict[str, Any]) -> bytes:
        return f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()

    def line_ends(name: str, body: dict[str, Any]) -> bytes:
        return letters(name, body).replace(b"\\n", b"\n").replace(b"\\r", b"\r")

    chance = random.Random(14)
    for what, frame in (("that letters are escaped", letters), ("that line ends are escaped", line_ends)):
        texts = ["".join(chance.choices((*_LINE_ENDS, *_FRAMES, "a"), k=5)) for _ in range(40)]
        failed = sum(differs(frame, [text], chance, unicode_lines=True) for text in texts)
        campaign.control("L14", what, failed=failed, of=len(texts))
