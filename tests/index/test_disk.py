"""What a disk refuses is told as that, whichever library was writing."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.disk import takes_writes, told
from index.errors import DiskFull, FootnoteError, NotFound, ReadOnly
from index.vector_writer import write_passages

FULL = Path("/dev/full")  # refuses every byte, for want of room


def python_writes() -> None:
    FULL.write_bytes(b"x")


def sqlite_writes() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript("PRAGMA max_page_count = 2; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(99999));")


def faiss_writes() -> None:
    write_passages(FULL, np.eye(64, dtype=np.float32))


def fails(code: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("write", [python_writes, sqlite_writes, faiss_writes, fails(errno.EDQUOT)])
def test_a_full_disk(write: Callable[[], None]) -> None:
    with pytest.raises(DiskFull, match="unchanged"), told():
        write()


def sqlite_writes_where_it_may_only_read() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript("PRAGMA query_only = ON; CREATE TABLE t (x);")


@pytest.mark.parametrize(
    "write", [sqlite_writes_where_it_may_only_read, fails(errno.EROFS), fails(errno.EACCES), fails(errno.EPERM)]
)
def test_a_disk_that_takes_no_writes(write: Callable[[], None]) -> None:
    with pytest.raises(ReadOnly, match="cannot be written to"), told():
        write()


@pytest.mark.parametrize("error", [NotFound("x"), ValueError("No room for doubt"), OSError(errno.EINVAL, "x")])
def test_what_is_no_fault_of_the_disk_leaves_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, told():
        raise error
    assert caught.value is error
    assert isinstance(error, FootnoteError) or caught.value.__cause__ is None


def test_asking_whether_it_takes_writes_writes_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "writer.lock"
    assert takes_writes(lock), "nothing says that it does not"
    assert not lock.exists()
    lock.touch()
    before = lock.stat()
    assert takes_writes(lock)
    assert lock.stat() == before
