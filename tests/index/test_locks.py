"""One writer at a time, and what somebody reads is not deleted; the dead hold nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from index.errors import Busy, NotFound
from index.generation import collect, lease, roll_back, writer_lock
from index.manifest import verify
from tests.index.shelf import TIDES, Shelf, grow, library, served

_HOLD_LOCK = """
import sys, time
from pathlib import Path
from index.generation import Layout, writer_lock
with writer_lock(Layout(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""
_HOLD_LEASE = """
import sys, time
from pathlib import Path
from index.generation import Layout, lease
held = lease(Layout(Path(sys.argv[1])), sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def other_process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process that has said it holds what ``code`` takes; killed at the end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_writer_is_turned_away_at_once_and_a_dead_one_holds_nothing(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    with other_process(_HOLD_LOCK, shelf.data) as holder:
        started = time.monotonic()
        for attempt in (shelf.build, lambda: roll_back(shelf.layout)):
            with pytest.raises(Busy, match="Wait for it"):
                attempt()
        assert time.monotonic() - started < 10  # it is held for 60
        assert shelf.ask("tide")  # readers are not kept out
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert shelf.build().published


def test_a_second_writer_in_the_same_process_is_turned_away_too(shelf: Shelf) -> None:
    with writer_lock(shelf.layout), pytest.raises(Busy):
        shelf.build()
    assert shelf.build().published is False


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_the_newest_two_generations_are_kept(shelf: Shelf) -> None:
    grow(shelf, 4)
    assert shelf.layout.names() == ["000004", "000005"]


def test_what_another_process_reads_is_kept_until_it_ends(shelf: Shelf) -> None:
    with other_process(_HOLD_LEASE, shelf.data, "000001"):
        grow(shelf, 3)
        assert shelf.layout.names() == ["000001", "000003", "000004"]
        verify(shelf.layout.generation("000001"))
    grow(shelf, 1)
    assert shelf.layout.names() == ["000004", "000005"]


def test_what_a_request_reads_is_kept_until_it_ends(shelf: Shelf) -> None:
    with library(shelf) as opened:
        with opened.pin() as pinned:
            grow(shelf, 3)
            assert served(opened)[0] == "000004"
            assert pinned.name == "000001" in shelf.layout.names()
            assert {pinned.store.text(doc.document_id) for doc in pinned.store.documents()} >= {TIDES}
        grow(shelf, 1)
        assert "000001" not in shelf.layout.names()


def test_the_live_generation_and_the_one_before_are_kept_however_old(shelf: Shelf) -> None:
    grow(shelf, 2)
    roll_back(shelf.layout, "000002")
    with writer_lock(shelf.layout):
        assert collect(shelf.layout, shelf.live) == []
    grow(shelf, 1)
    assert shelf.layout.names() == ["000003", "000004"]
    assert shelf.live == "000004"


def test_two_readers_may_hold_one_generation(shelf: Shelf) -> None:
    first, second = lease(shelf.layout, "000001"), lease(shelf.layout, "000001")
    assert first is not None and second is not None
    first.close()
    grow(shelf, 3)
    assert "000001" in shelf.layout.names()
    second.close()


def test_a_generation_that_is_being_read_can_be_opened_by_name(shelf: Shelf) -> None:
    with library(shelf) as opened:
        with opened.open_by_name("000001") as generation:
            grow(shelf, 3)
            assert len(generation.store.documents()) == 3
            assert "000001" in shelf.layout.names()
        with pytest.raises(NotFound), opened.open_by_name("../000001"):
            pass
