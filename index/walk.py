"""The source folder: which files are there, and their bytes, read so that no trick of the file system gets through."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index.errors import SkipFile, SourceError
from index.parse import format_of
from index.types import Skipped

_MAX_DEPTH = 64  # folders deeper than this are a loop or an attack, not a library
_MAX_PATH_BYTES = 4096  # Linux's own limit
_READ_TRIES = 3
_ROOT = "."  # the folder itself, where a path is shown
_STAT_REASONS = {errno.ENOENT: "vanished", errno.ENAMETOOLONG: "path_limit"}


@dataclass(frozen=True, slots=True)
class Stat:
    """What tells, without reading it, that a file is the one seen before. Times in ns; ctime cannot be set by users."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, result: os.stat_result) -> Stat:
        times_and_inode = (result.st_mtime_ns, result.st_ctime_ns, result.st_ino)
        return cls(result.st_size, *map(_stored, times_and_inode))


def _stored(value: int) -> int:
    """The number as a signed one of 64 bits, as SQLite keeps it: file systems have inodes beyond that, and times."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


@dataclass(frozen=True, slots=True)
class FoundFile:
    path: bytes  # relative to the source folder; names need not be valid UTF-8
    stat: Stat

    @property
    def source(self) -> str:
        return printable(self.path)

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.source)[1].lower()


def printable(path: bytes) -> str:
    """``path`` as text for people and JSON: undecodable bytes become U+FFFD."""
    return path.decode("utf-8", "replace")


def walk(root: Path, *, exclude: Path, max_bytes: int) -> tuple[list[FoundFile], list[Skipped]]:
    """The files to index below ``root``, sorted by path, and those left out with the reason.

    Hidden files and folders (a leading dot) are passed over without a word, and so is ``exclude`` (the data folder,
    told by inode so that no spelling of its path hides it). Raises SourceError when the folder is not there or
    cannot be read."""
    try:
        top = root.stat()
    except OSError as error:
        raise SourceError(
            f"The source folder {root} cannot be opened ({os.strerror(error.errno or 0)}).",
            remedy="Name a folder of documents with --source, or FOOTNOTE_SOURCE.",
        ) from error
    if not stat.S_ISDIR(top.st_mode):
        raise SourceError(f"The source {root} is a file, not a folder.", remedy="Name the folder it lies in.")
    try:
        excluded = exclude.stat()
        forbidden = {(excluded.st_dev, excluded.st_ino)}
    except FileNotFoundError:
        forbidden = set()
    found: list[FoundFile] = []
    skipped: list[Skipped] = []
    for item in _entries(os.fsencode(root), b"", forbidden, 0):
        if isinstance(item, Skipped) and item.source == _ROOT:
            raise SourceError(
                f"The source folder {root} cannot be read ({item.detail}).",
                remedy="Look whether its disk is well, and whether the account that Footnote runs under may read it.",
            )
        if isinstance(item, Skipped):
            skipped.append(item)
        elif not format_of(item.suffix):
            skipped.append(
                Skipped(item.source, "unsupported", f"no parser reads {item.suffix or 'a name without suffix'}")
            )
        elif item.stat.size > max_bytes:
            skipped.append(Skipped(item.source, "too_large", f"{item.stat.size} bytes; the limit is {max_bytes}"))
        else:
            found.append(item)
    return sorted(found, key=lambda file: file.path), sorted(skipped, key=lambda skip: skip.source)


def _entries(root: bytes, below: bytes, forbidden: set[tuple[int, int]], depth: int) -> Iterator[FoundFile | Skipped]:
    folder = os.path.join(root, below)
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(printable(below) or _ROOT, "unreadable", os.strerror(error.errno or 0))
        return
    for entry in entries:
        if entry.name.startswith(b"."):
            continue
        path = os.path.join(below, entry.name)
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError as error:
            reason = _STAT_REASONS.get(error.errno or 0, "unreadable")
            yield Skipped(printable(path), reason, os.strerror(error.errno or 0))
            continue
        if stat.S_ISLNK(info.st_mode):
            yield Skipped(printable(path), "symlink", "links are not followed")
        elif stat.S_ISDIR(info.st_mode):
            if (info.st_dev, info.st_ino) in forbidden:
                continue
            if depth + 1 > _MAX_DEPTH or len(os.path.join(root, path)) >= _MAX_PATH_BYTES:
                yield Skipped(printable(path), "path_limit", f"deeper than {_MAX_DEPTH} folders")
            else:
                yield from _entries(root, path, forbidden, depth + 1)
        elif stat.S_ISREG(info.st_mode):
            yield FoundFile(path, Stat.of(info))
        else:
            yield Skipped(printable(path), "not_regular", "not a regular file")


def _open(root: Path, path: bytes) -> int:
    """A handle on ``path``, reached folder by folder so that no link is followed on the way either."""
    *folders, name = path.split(b"/")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def read(root: Path, file: FoundFile, *, max_bytes: int) -> tuple[bytes, Stat]:
    """The whole file as one consistent version, and the stat that belongs to it. Raises SkipFile.

    Opened without following a link and without blocking on a FIFO, whatever stands there by now; read again when it
    changed meanwhile."""
    for _ in range(_READ_TRIES):
        try:
            handle = _open(root, file.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SkipFile("vanished") from error
        except OSError as error:
            reason = "symlink" if error.errno == errno.ELOOP else "unreadable"
            raise SkipFile(reason, os.strerror(error.errno or 0)) from error
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise SkipFile("not_regular")
            if before.st_size > max_bytes:
                raise SkipFile("too_large", f"{before.st_size} bytes; the limit is {max_bytes}")
            with open(handle, "rb", closefd=False) as stream:
                data = stream.read(max_bytes + 1)
            after = os.fstat(handle)
        except OSError as error:
            raise SkipFile("unreadable", os.strerror(error.errno or 0)) from error
        finally:
            os.close(handle)
        if Stat.of(before) == Stat.of(after) and len(data) == after.st_size:
            return data, Stat.of(after)
    raise SkipFile("unstable")
