from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.compose import Footnote
from api.settings import Settings
from rag.types import Event, PassagesFound, Question
from tests.api.conftest import Live, events_of, wait_for
from tests.conftest import World
from tests.fakes import FakeEncoder

THREADS = 4
REBUILDS = 10
OPENED = "When was the harbour opened?"
QUESTIONS = (OPENED, "When was the lighthouse added?", "When does the ferry Aurora sail?", "Who was crowned king?")


def write_year(source: Path, year: int) -> None:
    """Another text in every document, so that an answer mixed of two generations cannot go unseen."""
    (source / "harbour.txt").write_text(
        f"{'Note. ' * (year % 7)}The harbour was opened in {year} by Mayor Ilse Brandt.\n\n"
        f"The lighthouse was added in {year + 1}. Its lamp reaches 21 nautical miles.\n"
    )
    (source / "emoji.md").write_text(f"{'🚢' * (year % 5)} The ferry Aurora sails at noon since {year}.\n")
    if year % 2:
        (source / f"extra-{year}.txt").write_text(f"The quay of {year} is made of granite.")


def ask_until(url: str, stop: threading.Event, given: list[dict[str, Any]], failed: list[str]) -> None:
    with httpx2.Client(base_url=url, timeout=30) as client:
        for n in range(100_000):
            if stop.is_set():
                return
            stream = n % 3 == 0
            response = client.post("/v1/ask", json={"question": QUESTIONS[n % len(QUESTIONS)], "stream": stream})
            if response.status_code != 200:
                failed.append(f"{response.status_code} {response.text}")
                continue
            events = events_of(response.text) if stream else [("done", response.json())]
            name, answer = events[-1]
            if name != "done":
                failed.append(f"a stream ended with {name}: {answer}")
                continue
            answer["header"] = response.headers["Footnote-Generation"]
            answer["first"] = events[0][1]["generation"]
            given.append(answer)


def test_questions_during_ten_rebuilds_and_rollbacks(world: World, live: Live) -> None:
    texts: dict[str, dict[str, str]] = {}  # generation -> document -> text

    def note(name: str) -> None:
        with world.footnote.library.open_by_name(name) as generation:
            documents = generation.store.documents()
            texts[name] = {doc.document_id: generation.store.text(doc.document_id) for doc in documents}

    note("000001")
    given: list[dict[str, Any]] = []
    failed: list[str] = []
    stop = threading.Event()
    url = live(world.footnote)
    threads = [threading.Thread(target=ask_until, args=(url, stop, given, failed)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        for n in range(REBUILDS):
            write_year(world.source, 1900 + n)
            report = world.build()
            assert report.published
            note(report.generation)
            if n % 3 == 2:
                world.footnote.roll_back()
                time.sleep(0.02)  # asked of the generation before, too
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)

    assert failed == []
    assert len(texts) == REBUILDS + 1
    assert len({answer["generation"] for answer in given}) > REBUILDS // 2
    assert sum(len(answer["citations"]) for answer in given) > REBUILDS
    for answer in given:
        assert answer["header"] == answer["first"] == answer["generation"]
        known = texts[answer["generation"]]
        for citation in answer["citations"]:
            text = known[citation["document_id"]]
            assert text[citation["start_char"] : citation["end_char"]] == citation["cited_text"]
            assert answer["text"][citation["answer_start"] : citation["answer_end"]] == citation["cited_text"]
        for passage in answer["passages"]:
            text = known[passage["document_id"]]
            assert text[passage["start_char"] : passage["end_char"]] == passage["text"]


# -- streams that last -------------------------------------------------------------------------------------------------


class Paced(Footnote):
    """Stops after the first event until the test lets it go on."""

    def __init__(self, settings: Settings, encoder: FakeEncoder) -> None:
        super().__init__(settings, encoder=lambda: encoder, in_child=False)
        self.go = threading.Event()
        self.asked: list[Iterator[Event]] = []  # held here, so that no iterator is closed by being forgotten

    def ask(self, question: Question) -> Iterator[Event]:
        self.asked.append(self._paced(question))
        return self.asked[-1]

    def _paced(self, question: Question) -> Iterator[Event]:
        for event in super().ask(question):
            yield event
            if isinstance(event, PassagesFound):
                assert self.go.wait(20)


@pytest.fixture
def paced(folder: Path, tmp_path: Path) -> Iterator[Paced]:
    encoder = FakeEncoder()
    chosen = Settings(
        source=folder,
        data=tmp_path / "data",
        encoder=encoder.name,
        reader=False,
        max_concurrent_per_key=0,  # more may ask at once than there are cores, however many these are
    )
    footnote = Paced(chosen, encoder)
    footnote.rebuild(lambda *_: None)
    yield footnote
    footnote.close()


def publish(footnote: Footnote, year: int) -> str:
    write_year(footnote.settings.source, year)
    return footnote.rebuild(lambda *_: None).generation


def test_a_stream_ends_on_the_generation_it_began_on(paced: Paced, live: Live) -> None:
    url = live(paced)
    with httpx2.stream("POST", f"{url}/v1/ask", json={"question": OPENED, "stream": True}, timeout=30) as response:
        pieces = response.iter_text()
        begun = next(pieces)
        assert begun.startswith("event: passages\n")
        for year in (1950, 1951, 1952, 1953):  # more than are kept
            publish(paced, year)
        assert httpx2.get(f"{url}/v1/index").json()["generation"] == "000005"
        assert "000001" in paced.layout.names()  # not deleted while it is read
        paced.go.set()
        events = events_of(begun + "".join(pieces))
    done = events[-1][1]
    assert [name for name, _ in events] == ["passages", "sentence", "done"]
    assert (response.headers["Footnote-Generation"], done["generation"]) == ("000001", "000001")
    assert "1911" in done["text"]
    publish(paced, 1954)
    assert "000001" not in paced.layout.names()


def test_a_client_that_goes_away_lets_its_generation_go(paced: Paced, live: Live) -> None:
    url = live(paced)
    with httpx2.stream("POST", f"{url}/v1/ask", json={"question": OPENED, "stream": True}, timeout=30) as response:
        next(response.iter_text())
        for year in (1950, 1951, 1952, 1953):
            publish(paced, year)
        assert "000001" in paced.layout.names()
    paced.go.set()  # the connection is closed: nobody reads what comes now
    httpx2.get(f"{url}/readyz")

    def collected() -> bool:
        publish(paced, 1954 + int(time.monotonic() * 1000) % 1000)
        return "000001" not in paced.layout.names()

    wait_for(collected)


def test_an_iterator_that_is_closed_early_lets_its_generation_go(world: World) -> None:
    events = world.footnote.ask(Question(OPENED))
    next(events)
    for year in (1950, 1951, 1952, 1953):
        publish(world.footnote, year)
    world.footnote.library.refresh()
    assert "000001" in world.footnote.layout.names()
    events.close()  # type: ignore[attr-defined] # a generator
    publish(world.footnote, 1954)
    assert "000001" not in world.footnote.layout.names()


# -- clients that go away ----------------------------------------------------------------------------------------------


def held() -> tuple[int, int]:
    """Threads of this process, and files and sockets that it has open."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_go_away_leave_nothing_behind(paced: Paced, live: Live, stream: bool) -> None:
    url = live(paced)
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps({"question": OPENED, "stream": stream})
    head = f"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"

    def ask_and_go(times: int) -> None:
        paced.go.clear()
        already = len(paced.asked)
        sockets = [socket.create_connection((host, int(port)), timeout=20) for _ in range(times)]
        for sock in sockets:
            sock.sendall((head + body).encode())
        wait_for(lambda: len(paced.asked) > already)  # the first is being answered
        for sock in sockets:
            sock.close()
        paced.go.set()

    with httpx2.Client(base_url=url, timeout=30) as client:

        def ended() -> int:
            metrics = client.get("/metrics").text
            return sum(int(float(n)) for n in re.findall(r'requests_total{route="/v1/ask",.*} (\S+)', metrics))

        ask_and_go(8)  # after these the pool has its threads
        wait_for(lambda: ended() == 8)
        threads, files = held()
        ask_and_go(50)
        wait_for(lambda: ended() == 58, timeout_s=30)
        assert "1911" in client.post("/v1/ask", json={"question": OPENED}).json()["text"]
        paced.asked.clear()  # nobody else holds what was asked
        wait_for(lambda: held()[0] <= threads and held()[1] <= files)


def test_nobody_computes_for_who_has_gone(paced: Paced, live: Live) -> None:
    url = live(paced)
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps({"question": OPENED})
    head = f"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    cores = len(os.sched_getaffinity(0))

    def ask() -> socket.socket:
        sock = socket.create_connection((host, int(port)), timeout=20)
        sock.sendall((head + body).encode())
        return sock

    with httpx2.Client(base_url=url, timeout=30) as client:

        def counted(what: str) -> int:
            return sum(int(float(n)) for n in re.findall(rf"{what}.*}} (\S+)", client.get("/metrics").text))

        running = [ask() for _ in range(cores)]
        wait_for(lambda: len(paced.asked) == cores)  # no thread is free
        waiting = [ask() for _ in range(5)]
        for sock in (*running, *waiting):
            sock.close()
        wait_for(lambda: counted('requests_total{route="/v1/ask",status="499"') == 5)  # they have left the queue
        assert len(paced.asked) == cores
        paced.go.set()
        wait_for(lambda: counted('requests_total{route="/v1/ask",status="499"') == 5 + cores)
        assert counted("answers_total") == 0  # those who had begun ended there
        assert "1911" in client.post("/v1/ask", json={"question": OPENED}).json()["text"]
        assert counted("answers_total") == 1
