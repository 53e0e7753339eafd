"""Clients that read their answers slowly, while the index is published again and again: each answer is of the
generation it began on, and old generations are kept for their readers and no longer."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import index.live
from api.compose import Footnote
from api.settings import Settings
from rag.types import Event, PassagesFound, Question
from tests.conftest import serve
from tests.fakes import FakeEncoder
from tests.faults.campaign import Campaigns

PUBLISHED = 5
KEPT = 3  # generations, beside those that are being read
READERS = min(2, len(os.sched_getaffinity(0)))  # an answer under way has a core to itself


class Held(Footnote):
    """An answer stops after its first event until the test lets it go on, as one whose next event takes long."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, encoder=FakeEncoder, in_child=False)
        self.go: dict[str, threading.Event] = {}  # by question

    def ask(self, question: Question) -> Iterator[Event]:
        for event in super().ask(question):
            yield event
            if isinstance(event, PassagesFound):
                assert self.go[question.text].wait(60)


class Reader:
    """A stream read over a socket with a small buffer, some bytes at a time."""

    def __init__(self, url: str, question: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        body = json.dumps({"question": question, "stream": True})
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.settimeout(60)
        self._socket.connect((host, int(port)))
        head = (
            f"POST /v1/ask HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        self._socket.sendall(f"{head}\r\n\r\n{body}".encode())
        self._read = b""
        while b"event: passages" not in self._read:
            self.read_some()

    def read_some(self) -> bool:
        """Whether there was anything more."""
        piece = self._socket.recv(64)
        self._read += piece
        return bool(piece)

    def rest(self) -> dict[str, Any]:
        """The answer, from the stream's last event."""
        while self.read_some():
            pass
        self._socket.close()
        last = self._read.decode().rstrip().rpartition("\n\n")[2]
        name, _, data = last.partition("\ndata: ")
        assert name == "event: done", last
        answer: dict[str, Any] = json.loads(data)
        return answer


def year_of(generation: int) -> int:
    return 1900 + generation


def publish(footnote: Footnote, generation: int) -> None:
    """Another text in each generation, so that an answer tells which it is from."""
    text = f"{'Note. ' * (generation % 7)}The harbour was opened in {year_of(generation)} by Ilse Brandt.\n"
    (footnote.settings.source / "harbour.txt").write_text(text)
    assert footnote.rebuild(lambda *_: None).generation == f"{generation:06d}"


@contextmanager
def served(where: Path) -> Iterator[tuple[Held, str]]:
    (where / "documents").mkdir(parents=True)
    footnote = Held(Settings(source=where / "documents", data=where / "data", encoder="fake", reader=False))
    publish(footnote, 1)
    with contextmanager(serve)(footnote) as url:
        yield footnote, url
    footnote.close()


def read_slowly(footnote: Held, url: str, trial: int, latest: int) -> tuple[list[str], int]:
    """Five publishes, with readers that begin at some of them and end after the last: what was wrong, and the number of
    generations there were at most."""
    chance = random.Random(f"slow {trial}")
    begins = sorted([0, chance.randrange(PUBLISHED)][:READERS])
    readers: list[tuple[str, str, Reader]] = []  # question, generation, stream
    wrong, most = [], 0
    for number in range(PUBLISHED):
        for _ in range(begins.count(number)):
            question = "When was the harbour opened" + "?" * (len(readers) + 1)
            footnote.go[question] = threading.Event()
            readers.append((question, f"{latest:06d}", Reader(url, question)))
        latest += 1
        publish(footnote, latest)
        footnote.library.refresh()
        for _, _, reader in readers:
            reader.read_some()
        there = footnote.layout.names()
        most = max(most, len(there))
        leased = {generation for _, generation, _ in readers}
        if missing := leased - set(there):
            wrong.append(f"{missing} were deleted while they were read")
        if len(set(there) - leased) > KEPT:
            wrong.append(f"{there} were kept, of which {leased} are read")
    chance.shuffle(readers)
    for question, generation, reader in readers:
        footnote.go[question].set()
        answer = reader.rest()
        if answer["generation"] != generation or str(year_of(int(generation))) not in answer["text"]:
            wrong.append(f"{answer['text']!r} of {answer['generation']}, begun on {generation}")
    publish(footnote, latest + 1)
    if len(footnote.layout.names()) > KEPT:
        wrong.append(f"{footnote.layout.names()} are left when nobody reads")
    return [f"trial {trial}: {what}" for what in wrong], most


def test_slow_readers_get_the_answer_they_began_on(tmp_path: Path, campaign: Campaigns) -> None:
    what = "streams that are read slowly across five publishes"
    most = 0
    with served(tmp_path) as (footnote, url), campaign("R19", what, push=2, release=40) as trials:
        for trial in trials:
            wrong, there = read_slowly(footnote, url, trial, latest=1 + trial * (PUBLISHED + 1))
            assert wrong == []
            most = max(most, there)
        trials.note("generations at most", most)


def test_without_leases_generations_would_be_deleted_under_their_readers(
    tmp_path: Path, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null control."""
    monkeypatch.setattr(index.live, "lease", lambda layout, name: None)
    with served(tmp_path) as (footnote, url):
        wrong, _ = read_slowly(footnote, url, 0, latest=1)
    campaign.control("R19", "leases", failed=int(bool(wrong)), of=1)
