"""Small file systems of the tests' own: one whose power can be cut, and one that can be full or read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

_IMAGE_BYTES = 24 << 20
_EXT4 = ("-q", "-F", "-m", "0", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0")
_TRIES = 100  # an image is taken again while the device is being written to


@contextmanager
def mounted(what: Path | str, at: Path, kind: str, options: str) -> Iterator[Path]:
    """A file system at a new folder ``at``, gone when the block ends, however it ends."""
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", kind, "-o", options, str(what), str(at))
    try:
        yield at
    finally:
        # Lazily where something still has a file open there: a test that failed must not leave a mount behind.
        if subprocess.run(["umount", str(at)], capture_output=True, check=False).returncode:
            _run("umount", "--lazy", str(at))


def remount(at: Path, options: str) -> None:
    _run("mount", "-o", f"remount,{options}", str(at))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@cache
def no_mounts(folder: Path) -> str:
    """Why nothing can be mounted here; "" where it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        with mounted("none", folder / "probe", "tmpfs", "size=1m"):
            return ""
    except OSError as error:
        return str(error)


@cache
def no_ext4(folder: Path) -> str:
    """Why no image of an ext4 can be mounted here; "" where it can."""
    if not shutil.which("mkfs.ext4"):
        return "there is no mkfs.ext4"
    if reason := no_mounts(folder):
        return reason
    try:
        with Disk.made(folder / "probe.img", folder / "probe"):
            return ""
    except OSError as error:
        return str(error)


def needs(reason: str) -> None:
    if reason:
        pytest.skip(reason)


class Disk:
    """An ext4 in a file. The file holds what has reached the block device and nothing that waits in memory."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder
        device = os.stat(folder).st_dev
        self._stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")

    @classmethod
    @contextmanager
    def made(cls, image: Path, at: Path, options: str = "") -> Iterator[Disk]:
        """A new one."""
        with image.open("wb") as stream:
            stream.truncate(_IMAGE_BYTES)
        _run("mkfs.ext4", *_EXT4, str(image))
        with cls.opened(image, at, options) as disk:
            yield disk

    @classmethod
    @contextmanager
    def opened(cls, image: Path, at: Path, options: str = "") -> Iterator[Disk]:
        """One that there is; its journal is replayed."""
        with mounted(image, at, "ext4", ",".join(filter(None, ("loop", options)))):
            yield cls(image, at)

    def cut(self, image: Path) -> None:
        """Copy what the device holds at one instant, as a disk would hold it whose power goes now.

        A copy takes a while. One counts for an instant only if the device completed no write from before to after it,
        and had none under way."""
        for _ in range(_TRIES):
            before = self._written()
            _run("cp", "--sparse=always", str(self.image), str(image))
            if before == self._written():
                return
        raise TimeoutError("the device is never still")

    def another_syncs(self) -> None:
        """What another program on this disk does at any time: it syncs a file of its own. The file system commits all
        that was renamed, made and removed until now, and leaves the bytes of others' files in memory."""
        handle = os.open(self.folder / "another", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(handle, b".")
            os.fsync(handle)
        finally:
            os.close(handle)

    def _written(self) -> tuple[str, str]:
        """How many writes the device has completed, and how many requests it has under way."""
        counts = self._stat.read_text().split()
        return counts[4], counts[8]
