"""What is said when the disk under the data folder does not take what is written."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import DiskFailed, DiskFull, FootnoteError, ReadOnly

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_FAILS = frozenset({errno.EIO, errno.EREMOTEIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EUCLEAN})
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM}) | _FULL  # of a reader's temporary files
CANNOT_BE_WRITTEN = _READ_ONLY | _FULL


def takes_writes(lock: Path) -> bool:
    """Whether the file system of a lock file that is there takes writes; nothing is written.

    A file is opened because a file system that the kernel has set read-only after an error may still say that it can be
    written to."""
    try:
        os.close(os.open(lock, os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        return error.errno not in _READ_ONLY
    return True


def let_shortage_pass(error: BaseException) -> None:
    """Raises again what says only that this process, or the machine, has no memory, file handles or room left: of what
    was to be read it says nothing."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _SHORT):
        try:
            raise error
        finally:
            del error  # this frame and the error would hold each other, and with them what is open
    if getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_NOMEM":
        raise MemoryError(str(error)) from error
    for code in _SHORT:
        if _library_says(error, code):
            raise OSError(code, os.strerror(code)) from error


@contextmanager
def told(data: Path) -> Iterator[None]:
    """Errors of the disk below the data folder leave as errors that say what to do: DiskFull, ReadOnly, DiskFailed.

    What names a file elsewhere is no word on that disk, and leaves as it is: a program that may not be started, say."""
    try:
        yield
    except FootnoteError:
        raise
    except Exception as error:  # each library that writes has kinds of its own
        if not _concerns(error, data):
            if _is(error, _FULL, "") and _is_temporary(error):
                raise DiskFull(
                    "The folder for temporary files is full. The index served is whole.",
                    remedy="Free some there, or have TMPDIR name another folder, and index again.",
                ) from error
            raise
        if _is(error, _FULL, "SQLITE_FULL"):
            raise DiskFull(
                "The disk of the data folder is full. The index served is whole.",
                remedy="Free some, and index again: what was embedded so far is kept.",
            ) from error
        if _is(error, _READ_ONLY, "SQLITE_READONLY"):
            raise ReadOnly(
                "The data folder cannot be written to. The index served is whole.",
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
    return any(_library_says(error, code) for code in codes)


def _library_says(error: BaseException, code: int) -> bool:
    """FAISS and tantivy have no kinds of errors for what the system said; their words hold it, in words of theirs."""
    if type(error) is RuntimeError:
        return "faiss" in str(error) and os.strerror(code) in str(error)
    # Rust writes it in one of two ways.
    return type(error) is ValueError and any(
        words in str(error) for words in (f"(os error {code})", f"Os {{ code: {code},")
    )


def _concerns(error: BaseException, data: Path) -> bool:
    """Whether an error may be of the disk of ``data``: it names a file there, or a folder on the way, or none."""
    named = _named(error)
    if named is None:
        return True
    spelt = (Path(os.path.abspath(named)), Path(os.path.abspath(data)))  # noqa: PTH100 - a link stays a link
    real = (Path(os.path.realpath(named)), Path(os.path.realpath(data)))
    return any(path.is_relative_to(folder) or folder.is_relative_to(path) for path, folder in (spelt, real))


def _is_temporary(error: BaseException) -> bool:
    named = _named(error)
    return named is not None and Path(os.path.realpath(named)).is_relative_to(os.path.realpath(tempfile.gettempdir()))


def _named(error: BaseException) -> str | None:
    named = error.filename if isinstance(error, OSError) else None
    return os.fsdecode(named) if isinstance(named, str | bytes | os.PathLike) else None
