"""Want of memory or of file handles is no damage: what is there stays, is tried again, and is not built anew."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from index.disk import let_shortage_pass
from index.errors import CorruptGeneration
from index.generation import Generation, lease, newest_whole, read_current
from tests.index.shelf import Shelf, library, open_files

_HANDLES = 512  # that this process may have, while they are used up
_WANTING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@contextmanager
def handles_left(left: int) -> Iterator[None]:
    """This process may open so many files more and no others."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_HANDLES, limits[1]))
    held: list[int] = []
    try:
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
        for _ in range(left):
            os.close(held.pop())
        yield
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("left", [*range(8), 10, 12, 16])
def test_a_generation_that_is_whole_is_never_called_damaged(shelf: Shelf, left: int) -> None:
    before = open_files(shelf.data)
    with handles_left(left):
        try:
            name, digest = read_current(shelf.layout)
            assert newest_whole(shelf.layout) == (name, digest)
            Generation(shelf.layout.generation(name), digest).close()
        except OSError as error:
            assert error.errno in _WANTING
        else:
            assert left
    assert open_files(shelf.data) == before


def test_a_server_short_of_handles_serves_the_old_and_then_the_new(shelf: Shelf) -> None:
    with library(shelf) as opened:
        for left in (0, 1, 2, 3, 4, 5, 6, 8):
            with opened.pin() as generation:
                before = generation.name
                assert before == shelf.live
            shelf.write("log.txt", f"Entry {left} of the log.")
            shelf.build()
            after = shelf.live
            with handles_left(left), opened.pin() as generation:
                assert generation.name in (before, after)
                assert (generation.name == before) == ("too few files" in opened.degraded)
            with opened.pin() as generation:
                assert generation.name == after
            assert (opened.corrupt, opened.degraded) == (0, "")


def test_a_server_that_starts_without_handles_says_so_and_serves_when_it_has_some(shelf: Shelf) -> None:
    with library(shelf) as opened:
        with handles_left(0), pytest.raises(OSError, match="Too many open files"), opened.pin():
            pass
        with opened.pin() as generation:
            assert generation.name == shelf.live
        assert opened.corrupt == 0


def no_memory(*_: object, **__: object) -> None:
    raise MemoryError


def test_a_server_short_of_memory_serves_the_old_and_then_the_new(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with library(shelf) as opened:
        with opened.pin() as generation:
            before = generation.name
        shelf.write("log.txt", "Entry 1 of the log.")
        shelf.build()
        with monkeypatch.context() as short:
            short.setattr("index.generation.PassageVectors", no_memory)
            with opened.pin() as generation:
                assert generation.name == before
            assert "not enough memory" in opened.degraded
        with opened.pin() as generation:
            assert generation.name == shelf.live
        assert (opened.corrupt, opened.degraded) == (0, "")


def test_a_build_short_of_memory_ends_and_does_not_embed_everything_anew(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.write("log.txt", "Entry 1 of the log.")
    before = shelf.live
    with monkeypatch.context() as short:
        short.setattr("index.generation.PassageVectors", no_memory)
        with pytest.raises(MemoryError):
            shelf.build()
    assert (shelf.embedded, shelf.live) == ([], before)
    assert shelf.build().added == ("log.txt",)
    assert shelf.embedded == ["Entry 1 of the log."]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Error in faiss::FileIOReader: could not open x for reading: Too many open files"),
        ValueError("An IO error occurred: 'Too many open files (os error 24)'"),
        ValueError("Failed to open file for read: 'IoError { io_error: Os { code: 24, kind: TooManyOpenFiles, m'"),
        OSError(errno.ENFILE, "x"),
    ],
)
def test_whichever_library_is_short_of_handles(error: Exception) -> None:
    with pytest.raises(OSError) as caught:
        let_shortage_pass(error)
    assert caught.value.errno in _WANTING


def test_where_no_thread_can_be_started_files_are_checked_one_by_one(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    with shelf.open() as generation:
        assert generation.name == shelf.live
    (shelf.live_folder / "sentences.f16").write_bytes(b"junk")
    with pytest.raises(CorruptGeneration, match=r"sentences\.f16"), shelf.open():
        pass


def test_what_is_damaged_is_not_taken_for_a_shortage(shelf: Shelf) -> None:
    for error in (ValueError("x"), RuntimeError("Too many open files"), OSError(errno.EIO, "x"), KeyError(24)):
        let_shortage_pass(error)
    (shelf.live_folder / "vectors.faiss").write_bytes(b"junk")
    with pytest.raises(CorruptGeneration):
        Generation(shelf.live_folder)


def test_without_a_lease_nothing_is_read_unless_none_can_be_written(shelf: Shelf) -> None:
    with handles_left(0), pytest.raises(OSError, match="Too many open files"):
        lease(shelf.layout, shelf.live)
