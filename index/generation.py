"""Generations on disk: sealed with a manifest, published by one rename, checked before anything is loaded.

data/
  CURRENT                  name of the live generation and the SHA-256 of its MANIFEST.json
  ingest-report.json       what the last build found and did
  embedding.journal        vectors of a build under way, or of one that was interrupted
  writer.lock  leases/     one writer; who still reads which generation
  encoders/                exported models
  generations/000012/      MANIFEST.json documents.db vectors.faiss sentences.f16 lexical/, and tails of both vectors
                           where a large generation was extended (index.extend), and vectors.codes where it is
                           searched by codes (index.codes)
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
import structlog

from index.disk import CANNOT_BE_WRITTEN, let_shortage_pass, told
from index.errors import Busy, CorruptGeneration, IncompatibleIndex, NoGeneration, NotFound
from index.files import fsync, replace_file
from index.lexical import LexicalIndex
from index.manifest import REBUILD, verify
from index.store import Store
from index.vectors import PassageVectors, SentenceVectors

VECTORS, VECTORS_TAIL, CODES = "vectors.faiss", "vectors.tail.faiss", "vectors.codes"
SENTENCES, SENTENCES_TAIL = "sentences.f16", "sentences.tail.f16"
# Read no further than it can be long, whatever lies there; and a name becomes a path, so it is held to its form.
_CURRENT_BYTES = 100
_CURRENT = re.compile(rb"(?P<name>[0-9]{6,12}) (?P<digest>[0-9a-f]{64})\s*")
_UNLOADABLE = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError, OSError)
_log = structlog.get_logger()
KEPT = 2  # newest generations kept, beside the live one and any that is being read


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie below the data folder."""

    data: Path

    @property
    def current(self) -> Path:
        return self.data / "CURRENT"

    @property
    def report(self) -> Path:
        return self.data / "ingest-report.json"

    @property
    def lock(self) -> Path:
        return self.data / "writer.lock"

    @property
    def calibration(self) -> Path:
        return self.data / "calibration.json"

    @property
    def journal(self) -> Path:
        return self.data / "embedding.journal"

    @property
    def generations(self) -> Path:
        return self.data / "generations"

    @property
    def encoders(self) -> Path:
        return self.data / "encoders"

    @property
    def held(self) -> Path:
        """A generation that did not pass its gate: whole, sealed and not among those that may be served."""
        return self.generations / ".held"

    def generation(self, name: str) -> Path:
        return self.generations / name

    def names(self) -> list[str]:
        """Names of the generations on disk, oldest first, whether whole or not."""
        try:
            return sorted(entry.name for entry in self.generations.iterdir() if entry.name.isdecimal())
        except FileNotFoundError:
            return []


# -- sealing and publishing ------------------------------------------------------------------------------------------


def publish(layout: Layout, name: str, manifest_sha256: str) -> None:
    """Make ``name`` the live generation: one atomic replacement of CURRENT, durable when this returns."""
    replace_file(layout.current, f"{name} {manifest_sha256}\n")


def adopt(layout: Layout, staged: Path, name: str) -> None:
    """Give a sealed folder its place among the generations."""
    staged.rename(layout.generation(name))
    fsync(layout.generations)


def hold_back(layout: Layout, staged: Path) -> None:
    """Keep a sealed folder without publishing it, in place of one held back before."""
    shutil.rmtree(layout.held, ignore_errors=True)
    staged.rename(layout.held)
    fsync(layout.generations)


def accept(layout: Layout) -> str:
    """Publish the generation that was held back; returns its name. Raises NotFound, Busy, CorruptGeneration."""
    with writer_lock(layout):
        if not layout.held.is_dir():
            raise NotFound("No generation is held back.", remedy="List them: footnote generations list.")
        name = verify(layout.held).name
        if layout.generation(name).exists():  # it was numbered, and then another was published
            raise NotFound(
                f"Generation {name} was published since from a later state of the folder.", remedy="Run footnote index."
            )
        digest = sha256((layout.held / "MANIFEST.json").read_bytes()).hexdigest()
        adopt(layout, layout.held, name)
        publish(layout, name, digest)
        with afterwards():
            collect(layout, name)
        return name


@contextmanager
def afterwards() -> Iterator[None]:
    """For what is done when the matter is decided: the generation is live whether or not this succeeds, and the next
    build does it again. An error of the disk is logged, and what was done does not become something that failed."""
    try:
        yield
    except OSError as error:
        _log.warning("tidying_failed", reason=str(error))


# -- reading ---------------------------------------------------------------------------------------------------------


def read_current(layout: Layout) -> tuple[str, str]:
    """Name of the live generation and its manifest's SHA-256. Raises NoGeneration, CorruptGeneration."""
    try:
        with layout.current.open("rb") as stream:
            found = _CURRENT.fullmatch(stream.read(_CURRENT_BYTES))
    except FileNotFoundError as error:
        if layout.names():
            raise CorruptGeneration("CURRENT is missing.", remedy=REBUILD) from error
        raise NoGeneration(
            "Nothing has been indexed yet.", remedy="Run footnote index --source DIR, then ask again."
        ) from error
    except OSError as error:
        let_shortage_pass(error)
        raise CorruptGeneration(f"CURRENT cannot be read ({error.strerror}).", remedy=REBUILD) from error
    if found is None:
        raise CorruptGeneration("CURRENT is damaged.", remedy=REBUILD)
    return found["name"].decode(), found["digest"].decode()


class Generation:
    """A published generation, verified and loaded. Nothing in it changes; safe to use from threads."""

    def __init__(self, folder: Path, expected_sha256: str = "", *, in_memory: bool = True) -> None:
        """Raises CorruptGeneration before anything damaged is loaded, and MemoryError or OSError for want of memory or
        file handles. Not ``in_memory``, passage vectors stay on disk: enough for a build, which copies them."""
        self.folder = folder
        self.manifest = verify(folder, expected_sha256)
        self.name = self.manifest.name
        self._in_memory = in_memory
        self.store = Store((folder / "documents.db").resolve())
        try:
            self._load()
        except (CorruptGeneration, MemoryError):
            self.close()
            raise
        # What has its hash and cannot be loaded all the same was not made by a build.
        except _UNLOADABLE as error:
            self.close()
            let_shortage_pass(error)
            raise CorruptGeneration(
                f"Generation {self.name} cannot be loaded ({type(error).__name__}).", remedy=REBUILD
            ) from error

    def _load(self) -> None:
        folder, counts, dim = self.folder, self.manifest.counts, int(self.manifest.encoder["dim"])
        self.store.check()
        tails = [folder / name if name in self.manifest.files else None for name in (VECTORS_TAIL, SENTENCES_TAIL)]
        gone = self.store.gone()
        self.vectors = PassageVectors(
            folder / VECTORS,
            tails[0],
            gone,
            candidates=int(self.manifest.vectors["candidates"]),
            in_memory=self._in_memory,
        )
        self.sentences = SentenceVectors(folder / SENTENCES, dim, tails[1])
        self.lexical = LexicalIndex(folder / "lexical")
        found = (
            *(self.vectors.dim, len(self.vectors), len(self.sentences), len(self.lexical)),
            *(len(self.lexical) + len(gone), self.store.counts()),
        )
        passages, rows = counts["passages"], counts["passage_rows"]
        if found != (dim, rows, counts["sentence_rows"], passages, rows, (counts["documents"], passages)):
            raise CorruptGeneration(f"The parts of generation {self.name} do not belong together.", remedy=REBUILD)

    def rows(self) -> Sequence[int]:
        """The passage rows there are, ascending."""
        every = range(len(self.vectors))
        if not len(self.vectors.gone):
            return every
        found: list[int] = np.setdiff1d(np.arange(len(every)), self.vectors.gone).tolist()
        return found

    def close(self) -> None:
        self.store.close()


# -- writers, readers and what may be deleted ------------------------------------------------------------------------


@contextmanager
def writer_lock(layout: Layout) -> Iterator[None]:
    """Held by whoever builds, publishes, rolls back or deletes. Raises Busy at once when another process has it; the
    kernel frees it when its holder dies. Until then, what the disk refuses leaves as DiskFull, ReadOnly or
    DiskFailed."""
    with told(layout.data), _lock_file(layout) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                f"Another process is writing to {layout.data}.", remedy="Wait for it to finish, then try again."
            ) from error
        yield


def _lock_file(layout: Layout) -> IO[str]:
    missing = [folder for folder in (layout.data, *layout.data.parents) if not folder.exists()]
    layout.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in missing:  # what will be durable below is lost with the name of a folder above
        fsync(folder.parent)
    return layout.lock.open("a")


def lease(layout: Layout, name: str) -> IO[str] | None:
    """Mark a generation as being read until the returned file is closed; None where nothing can be written."""
    try:
        (layout.data / "leases").mkdir(exist_ok=True)
        stream = (layout.data / "leases" / name).open("a")
    except OSError as error:
        if error.errno not in CANNOT_BE_WRITTEN:
            raise
        return None  # files that are open, or mapped, outlive their deletion
    fcntl.flock(stream, fcntl.LOCK_SH)
    return stream


def sweep(layout: Layout) -> None:
    """Delete what interrupted builds left; first of all, or a disk they filled stays full. Needs the writer lock."""
    # What a build, or a deletion, was at when it was interrupted.
    left = [stray for pattern in (".staging-*", ".going-*") for stray in layout.generations.glob(pattern)]
    names = layout.names()
    leases = [stray for stray in layout.data.glob("leases/*") if stray.name not in names]  # of what is deleted
    for stray in (*left, *leases, *layout.data.glob("*.tmp")):
        if stray.is_dir():
            shutil.rmtree(stray)
        else:
            stray.unlink()


def collect(layout: Layout, current: str, *, keep: int = KEPT) -> list[str]:
    """Delete old generations and what interrupted builds left; returns the names deleted. Needs the writer lock.

    Kept are the newest ``keep``, the live one, the one before it, and any that is being read."""
    sweep(layout)
    names = layout.names()
    before = [name for name in names if name < current][-1:]
    kept = {*names[-keep:], current, *before} if keep > 1 else {current}
    deleted: list[str] = []
    for name in names:
        if name in kept:
            continue
        lease_file = layout.data / "leases" / name
        lease_file.parent.mkdir(exist_ok=True)
        with lease_file.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # still being read
            # Out of their midst first: half deleted, it would still be listed among the generations.
            going = layout.generations / f".going-{name}"
            layout.generation(name).rename(going)
            shutil.rmtree(going)
            lease_file.unlink()
        deleted.append(name)
    return deleted


def newest_whole(layout: Layout, but: Container[str] = ()) -> tuple[str, str]:
    """Name and manifest hash of the newest generation that verifies and is none of ``but``. Raises NoGeneration when
    there is none."""
    for name in reversed(layout.names()):
        if name in but:
            continue
        folder = layout.generation(name)
        try:
            verify(folder)
        except (CorruptGeneration, IncompatibleIndex):
            continue
        return name, sha256((folder / "MANIFEST.json").read_bytes()).hexdigest()
    raise NoGeneration("No generation on disk is whole.", remedy=REBUILD)


def roll_back(layout: Layout, name: str = "") -> str:
    """Publish ``name`` again, or the newest whole generation older than the live one; returns its name.

    Raises NotFound when there is none, Busy, CorruptGeneration, IncompatibleIndex."""
    with writer_lock(layout):
        current, _ = read_current(layout)
        wanted = [name] if name else [older for older in reversed(layout.names()) if older < current]
        for candidate in wanted:
            folder = layout.generation(candidate)
            if not folder.is_dir() or not candidate.isdecimal():
                continue
            try:
                verify(folder)
            except (CorruptGeneration, IncompatibleIndex):
                if name:
                    raise
                continue
            publish(layout, candidate, sha256((folder / "MANIFEST.json").read_bytes()).hexdigest())
            return candidate
    if name:
        raise NotFound(f"There is no generation {name!r}.", remedy="List them: footnote generations list.")
    raise NotFound("There is no earlier generation to go back to.", remedy="List them: footnote generations list.")


def listing(layout: Layout) -> list[dict[str, Any]]:
    """Every generation on disk, oldest first, with what its manifest says; ``problem`` is "" for a whole one."""
    try:
        live = read_current(layout)[0]
    except (NoGeneration, CorruptGeneration):
        live = ""
    rows = []
    for name in layout.names():
        row: dict[str, Any] = {
            "name": name, "live": name == live, "problem": "", "created_at": "", "counts": {}, "encoder": ""
        }  # fmt: skip
        try:
            manifest = verify(layout.generation(name))
            row |= {
                "created_at": manifest.created_at, "counts": manifest.counts, "encoder": manifest.encoder["name"]
            }  # fmt: skip
        except (CorruptGeneration, IncompatibleIndex) as error:
            row["problem"] = error.message
        rows.append(row)
    return rows
