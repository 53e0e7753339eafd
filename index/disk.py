"""What is said when the disk under the data folder does not take what is written."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import DiskFailed, DiskFull, FootnoteError, ReadOnly

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_FAILS = frozenset({errno.EIO, errno.EREMOTEIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EUCLEAN})


def takes_writes(lock: Path) -> bool:
    """Whether the file system of a lock file that is there takes writes; nothing is written.

    A file is opened because a file system that the kernel has set read-only after an error may still say that it can be
    written to."""
    try:
        os.close(os.open(lock, os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        return error.errno not in _READ_ONLY
    return True


@contextmanager
def told() -> Iterator[None]:
    """Errors of the disk that is written to leave as errors that say what to do: DiskFull, ReadOnly,
    DiskFailed."""
    try:
        yield
    except FootnoteError:
        raise
    except Exception as error:  # each library that writes has kinds of its own
        if _is(error, _FULL, "SQLITE_FULL"):
            raise DiskFull(
                "The disk of the data folder is full. The index served is unchanged.",
                remedy="Free some, and index again: what was embedded so far is kept.",
            ) from error
        if _is(error, _READ_ONLY, "SQLITE_READONLY"):
            raise ReadOnly(
                "The data folder cannot be written to. The index served is unchanged.",
                remedy="Mount it for writing, or give the account that Footnote runs under the right to write there.",
            ) from error
        if _is(error, _FAILS, ("SQLITE_IOERR", "SQLITE_CANTOPEN")):
            raise DiskFailed(
                "The disk of the data folder does not do what it is told. The index served is whole.",
                remedy="See what the system's log says of the disk, and index again when it is mended.",
            ) from error
        raise


def _is(error: BaseException, codes: frozenset[int], sqlite_names: str | tuple[str, ...]) -> bool:
    if isinstance(error, OSError):
        return error.errno in codes
    if isinstance(error, sqlite3.Error):
        return str(getattr(error, "sqlite_errorname", "")).startswith(sqlite_names)
    # FAISS and tantivy have errors of their own; they hold what the system said.
    return any(os.strerror(code) in str(error) for code in codes)
