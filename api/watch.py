"""Rebuild when the source folder changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog
import watchfiles

_log = structlog.get_logger()
_SETTLE_MS = 800  # a sync writes many files; wait until it pauses


class Watcher:
    """Calls ``changed`` after the folder has changed and come to rest; runs in a thread until stopped."""

    def __init__(self, folder: Path, ignore: Path, changed: Callable[[], None]) -> None:
        self._folder = folder.resolve()  # or the paths of changes would come spelt as this one is
        self._ignore = ignore.resolve()
        self._changed = changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="footnote-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            for changes in watchfiles.watch(
                self._folder,
                watch_filter=lambda _, path: not Path(path).is_relative_to(self._ignore),
                debounce=_SETTLE_MS,
                stop_event=self._stop,
                raise_interrupt=False,
            ):
                _log.info("source_changed", files=len(changes))
                self._changed()
        except (FileNotFoundError, RuntimeError, OSError) as error:
            _log.error("watch_ended", reason=str(error))
