"""Readers while generations come and go: nobody fails, and nobody sees two generations at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.generation import roll_back
from index.live import Library
from index.search import make_query, search
from tests.fakes import FakeEncoder
from tests.index.shelf import Shelf, open_files

READERS = 4
REBUILDS = 10
BELL = "The bell rang {count} times. The bell hangs in tower {count}, above the {name}."


def ring(shelf: Shelf, count: int) -> None:
    """Every document says the same number."""
    for name in ("quay", "mole", "pier"):
        shelf.write(f"{name}.txt", BELL.format(count=count, name=name))
    shelf.build()


@pytest.fixture
def bells(empty_shelf: Shelf) -> Shelf:
    ring(empty_shelf, 0)
    return empty_shelf


@pytest.fixture
def opened(bells: Shelf) -> Iterator[Library]:
    library = Library(bells.data, encoder="fake")
    yield library
    library.close()


class Reader(threading.Thread):
    """Asks until told to stop; keeps what went wrong and which generations it saw."""

    def __init__(self, library: Library, counts: dict[str, int], stop: threading.Event) -> None:
        super().__init__()
        self.library, self.counts, self.stop = library, counts, stop
        self.seen: list[str] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.ask()
        except Exception as error:  # noqa: BLE001 - a thread's exceptions would be lost
            self.wrong.append(repr(error))

    def ask(self) -> None:
        with self.library.pin() as generation:
            query = make_query("How often did the bell ring?", FakeEncoder())
            first = search(generation, [query], k=5)
            again = search(generation, [query], k=5)
            texts = [generation.store.text(hit.passage.document.document_id) for hit in first]
            own = {doc.document_id for doc in generation.store.documents()}
            self.seen.append(generation.name)
        if first != again or len(first) != 3:
            self.wrong.append(f"{generation.name}: two answers")
        if not {hit.passage.document.document_id for hit in first} <= own:
            self.wrong.append(f"{generation.name}: a foreign document")
        numbers = {number for text in texts for number in re.findall(r"\d+", text)}
        # A generation's name is known here only once it is published; the texts must agree all the same.
        if len(numbers) != 1 or int(numbers.pop()) != self.counts.setdefault(generation.name, self.number(texts)):
            self.wrong.append(f"{generation.name}: {texts}")

    @staticmethod
    def number(texts: list[str]) -> int:
        return int(re.findall(r"\d+", texts[0])[0])


def test_readers_go_on_while_generations_are_published_and_taken_back(bells: Shelf, opened: Library) -> None:
    counts: dict[str, int] = {}
    stop = threading.Event()
    readers = [Reader(opened, counts, stop) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    published = {bells.live: 0}
    for count in range(1, REBUILDS + 1):
        ring(bells, count)
        published[bells.live] = count
        if count % 3 == 0:
            roll_back(bells.layout)
    stop.set()
    for reader in readers:
        reader.join(timeout=30)
        assert not reader.is_alive()
    assert [wrong for reader in readers for wrong in reader.wrong] == []
    assert all(published[name] == count for name, count in counts.items())
    assert len(counts) >= 3, "the readers saw too few generations to prove anything"
    assert (opened.corrupt, opened.degraded) == (0, "")


def test_retired_generations_are_let_go(bells: Shelf, opened: Library) -> None:
    with opened.pin():
        pass
    before, mapped = open_files(bells.data), mapped_generations(bells.data)
    assert mapped == {"000001"}
    for count in range(1, 6):
        ring(bells, count)
        with opened.pin() as generation:
            assert generation.name == bells.live
    assert open_files(bells.data) == before
    assert mapped_generations(bells.data) == {"000006"}


def mapped_generations(data: Path) -> set[str]:
    """Generations whose files are mapped into this process."""
    return set(re.findall(rf"{re.escape(str(data))}/generations/(\d+)/", Path("/proc/self/maps").read_text()))


def test_a_request_keeps_its_generation_to_the_end(bells: Shelf, opened: Library) -> None:
    with opened.pin() as old:
        before = open_files(bells.data)
        ring(bells, 1)
        with opened.pin() as new:
            assert (old.name, new.name) == ("000001", "000002")
            assert open_files(bells.data) > before
        text = old.store.text(old.store.documents()[0].document_id)
        assert "rang 0 times" in text
    del old, new  # the sentence vectors are mapped for as long as somebody holds them
    assert open_files(bells.data) == before  # the old one's files are closed, the new one's open


def test_looking_again_costs_one_stat(bells: Shelf, opened: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened.pin():
        pass
    monkeypatch.setattr("index.live.read_current", lambda _: pytest.fail("CURRENT was read"))
    with opened.pin() as generation:
        assert generation.name == "000001"


def test_a_generation_that_cannot_be_loaded_is_not_read_for_every_request(
    bells: Shelf, opened: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened.pin():
        pass
    bells.layout.current.write_bytes(b"junk")
    with opened.pin():
        pass
    monkeypatch.setattr("index.live.read_current", lambda _: pytest.fail("CURRENT was read"))
    with opened.pin() as generation:
        assert generation.name == "000001"


def test_after_closing_it_may_be_opened_again(bells: Shelf) -> None:
    library = Library(bells.data, encoder="fake")
    before = open_files(bells.data)
    for _ in range(3):
        with library.pin() as generation:
            assert generation.name == "000001"
        del generation
        library.close()
    assert open_files(bells.data) == before


def test_closing_waits_for_whoever_still_reads(bells: Shelf) -> None:
    library = Library(bells.data, encoder="fake")
    with library.pin() as generation:
        library.close()
        assert len(generation.store.documents()) == 3
