"""The live generation, for readers: follows CURRENT, swaps one reference, and keeps what is being read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import structlog

from index.errors import CorruptGeneration, IncompatibleIndex, NoGeneration, NotFound
from index.generation import Generation, Layout, lease, newest_whole, read_current

_log = structlog.get_logger()
_LOAD_TRIES = 5  # a generation may be deleted between reading CURRENT and loading it


class _Loaded:
    """A generation in memory with the number of requests that read it."""

    __slots__ = ("generation", "lease", "readers", "retired")

    def __init__(self, generation: Generation, held: IO[str] | None) -> None:
        self.generation = generation
        self.lease = held
        self.readers = 0
        self.retired = False

    def close_when_idle(self) -> None:
        if self.retired and self.readers == 0:
            self.generation.close()
            if self.lease is not None:
                self.lease.close()


class Library:
    """Gives requests the live generation, pinned from their start to their end.

    ``refresh`` looks at CURRENT (one stat) and, when it was replaced, loads the new generation beside the old one and
    swaps. A generation that does not verify is never served: the newest whole one is, and ``corrupt`` counts it. When
    none can be loaded, the one in memory stays, and ``degraded`` says why; for want of memory or file handles too, and
    then the next ``refresh`` tries again."""

    def __init__(self, data: Path, *, encoder: str) -> None:
        self.layout = Layout(data)
        self.corrupt = 0
        self.degraded = ""  # why the generation served is not the one CURRENT names; "" when it is
        self.fingerprint = ""  # of the encoder that asks, once it is loaded
        self._encoder = encoder
        self._swap = threading.Lock()  # guards _loaded and the counts of readers
        self._loading = threading.Lock()  # one thread loads; the others go on with the old generation
        self._loaded: _Loaded | None = None
        self._seen: tuple[int, int, int] | None = None

    @contextmanager
    def pin(self) -> Iterator[Generation]:
        """The live generation, unchanging until the block ends. Raises NoGeneration, IncompatibleIndex,
        CorruptGeneration."""
        self.refresh()
        with self._swap:
            loaded = self._loaded
            if loaded is None:
                raise NoGeneration("Nothing has been indexed yet.", remedy="Run footnote index --source DIR.")
            loaded.readers += 1
        try:
            yield loaded.generation
        finally:
            with self._swap:
                loaded.readers -= 1
                loaded.close_when_idle()

    @contextmanager
    def open_by_name(self, name: str) -> Iterator[Generation]:
        """Any generation still kept, whole. Raises NotFound, CorruptGeneration."""
        if name not in self.layout.names():
            raise NotFound(f"There is no generation {name!r}.", remedy="List them: footnote generations list.")
        held = lease(self.layout, name)
        try:
            generation = Generation(self.layout.generation(name))
            try:
                yield generation
            finally:
                generation.close()
        finally:
            if held is not None:
                held.close()

    def refresh(self) -> None:
        """Load what CURRENT names when that has changed. Cheap when it has not."""
        seen = self._stat()
        if seen == self._seen and self._loaded is not None:
            return
        # The first load must be waited for; a later one need not, while there is something to serve.
        if not self._loading.acquire(blocking=self._loaded is None):
            return
        try:
            seen = self._stat()
            if seen == self._seen and self._loaded is not None:
                return
            try:
                fresh = self._load()
            except (NoGeneration, IncompatibleIndex, CorruptGeneration) as error:
                if self._loaded is None:
                    raise
                # What is in memory is whole: go on with it until CURRENT is replaced again.
                self.degraded, self._seen = error.message, seen
                _log.error("generation_not_loaded", reason=error.message)
                return
            except (MemoryError, OSError) as error:
                if self._loaded is None:
                    raise
                # No word on what CURRENT names: it is tried again, and not only when CURRENT is replaced.
                self.degraded = "There is not enough memory, or too few files may be open, to load the live generation."
                _log.error("generation_not_loaded", reason=repr(error))
                return
            with self._swap:
                old, self._loaded, self._seen = self._loaded, fresh, seen
                if old is not None:
                    old.retired = True
                    old.close_when_idle()
        finally:
            self._loading.release()

    def close(self) -> None:
        with self._swap:
            if self._loaded is not None:
                self._loaded.retired = True
                self._loaded.close_when_idle()
                self._loaded = None
                self._seen = None

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self.layout.current.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> _Loaded:
        self.degraded = ""
        for _ in range(_LOAD_TRIES):
            name = ""
            try:
                name, digest = read_current(self.layout)
                return self._load_one(name, digest)
            except CorruptGeneration as error:
                if name and not self.layout.generation(name).is_dir() and self._moved_on(name):
                    continue
                self.corrupt += 1
                self.degraded = error.message
                _log.error("generation_corrupt", generation=name, reason=error.message)
                return self._load_another()
        raise CorruptGeneration("The live generation keeps changing.", remedy="Try again.")

    def _load_another(self) -> _Loaded:
        """The newest that is whole and can be loaded. Raises NoGeneration, IncompatibleIndex."""
        failed: set[str] = set()
        while True:
            name, digest = newest_whole(self.layout, failed)
            try:
                loaded = self._load_one(name, digest)
            except CorruptGeneration as error:
                _log.error("generation_corrupt", generation=name, reason=error.message)
                failed.add(name)
                continue
            _log.warning("serving_another_generation", generation=name)
            return loaded

    def _moved_on(self, name: str) -> bool:
        return read_current(self.layout)[0] != name

    def _load_one(self, name: str, digest: str) -> _Loaded:
        held = lease(self.layout, name)
        try:
            generation = Generation(self.layout.generation(name), digest)
            made_by = generation.manifest.encoder["name"]
            if made_by != self._encoder:
                generation.close()
                raise IncompatibleIndex(
                    f"The index was made with the encoder {Path(made_by).name!r}, but the settings say"
                    f" {Path(self._encoder).name!r}.",
                    remedy="Run footnote index to build it anew, or set FOOTNOTE_ENCODER back.",
                )
            if self.fingerprint:
                generation.manifest.check_encoder(self.fingerprint)
        except BaseException:
            if held is not None:
                held.close()
            raise
        return _Loaded(generation, held)
