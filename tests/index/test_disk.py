"""What a disk refuses is told as that, whichever library was writing."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.disk import takes_writes, told
from index.errors import BuildFailed, DiskFull, FootnoteError, NotFound, ReadOnly
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
def test_a_full_disk(tmp_path: Path, write: Callable[[], None]) -> None:
    with pytest.raises(DiskFull, match="served is whole"), told(tmp_path):
        write()


def sqlite_writes_where_it_may_only_read() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript("PRAGMA query_only = ON; CREATE TABLE t (x);")


@pytest.mark.parametrize(
    "write", [sqlite_writes_where_it_may_only_read, fails(errno.EROFS), fails(errno.EACCES), fails(errno.EPERM)]
)
def test_a_disk_that_takes_no_writes(tmp_path: Path, write: Callable[[], None]) -> None:
    with pytest.raises(ReadOnly, match="cannot be written to"), told(tmp_path):
        write()


@pytest.mark.parametrize("error", [NotFound("x"), ValueError("No room for doubt"), OSError(errno.EINVAL, "x")])
def test_what_is_no_fault_of_the_disk_leaves_as_it_is(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, told(tmp_path):
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


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EIO, errno.ENOSPC])
def test_a_file_elsewhere_is_no_word_on_the_data_folder(tmp_path: Path, code: int) -> None:
    """A program that may not be started, a source that cannot be read."""
    elsewhere = OSError(code, os.strerror(code), "/usr/bin/python3")
    with pytest.raises(OSError) as caught, told(tmp_path / "data"):
        raise elsewhere
    assert caught.value is elsewhere


def test_a_file_in_the_data_folder_or_a_folder_on_the_way_is(tmp_path: Path) -> None:
    data, disk = tmp_path / "data", tmp_path / "disk"
    (disk / "generations").mkdir(parents=True)
    data.mkdir()
    (data / "generations").symlink_to(disk / "generations")  # kept on another disk, which is the one that is meant
    for named in (data / "CURRENT", data, tmp_path, data / "generations" / "000001", os.fsencode(data / "CURRENT")):
        with pytest.raises(ReadOnly), told(data):
            raise OSError(errno.EACCES, "x", named)
    with pytest.raises(ReadOnly), told(Path(os.path.relpath(data))):
        raise OSError(errno.EACCES, "x", str(data / "CURRENT"))


def test_a_full_folder_of_temporary_files_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(DiskFull, match="folder for temporary files is full") as caught, told(tmp_path / "data"):
        raise OSError(errno.ENOSPC, "x", str(tmp_path / "tmp" / "some" / "file"))
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Permission denied"),
        KeyError("No space left on device"),
        ValueError("Input/output error"),
        BuildFailed("Permission denied"),
    ],
)
def test_words_alone_are_not_believed(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, told(tmp_path):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Error in faiss::FileIOWriter::FileIOWriter: could not open x for writing: Permission denied"),
        ValueError("An IO error occurred: 'Permission denied (os error 13)'"),
    ],
)
def test_words_of_the_libraries_that_write_are(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(ReadOnly), told(tmp_path):
        raise error
