"""Rebuilds asked for over HTTP or by the watcher: one at a time, in a child process, followed from here."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog

from api.problems import problem_of
from index.errors import BuildFailed, FootnoteError, NeedsConfirmation
from index.types import IngestReport

_log = structlog.get_logger()
_KEPT = 50  # finished jobs remembered
_NAMED = 20  # documents named of those that would be deleted


@dataclass(frozen=True, slots=True)
class Vanished:
    """Documents indexed whose files are gone from the folder, or empty."""

    count: int
    of: int  # documents indexed
    sources: tuple[str, ...]  # the first of them


@dataclass(frozen=True, slots=True)
class Job:
    """A rebuild and how far it is. ``phase`` is "" until the build has started, "waiting" while another runs."""

    job_id: str
    state: Literal["running", "done", "failed", "needs_confirmation"]
    phase: str = ""
    done: int = 0
    total: int = 0
    generation: str = ""  # live when the job had finished
    report: IngestReport | None = None
    error: dict[str, Any] | None = None  # a problem object
    vanished: Vanished | None = None  # what the job would have deleted, where it needs confirmation


class Jobs:
    """Runs ``rebuild``, given a Progress and ``confirm_deletions``, in a thread; a second call while one runs gets the
    same job. Only a call that confirms deletions, which the running job was not told, gets one that follows it."""

    def __init__(self, rebuild: Callable[..., IngestReport], on_done: Callable[[], None]) -> None:
        self._rebuild = rebuild
        self._on_done = on_done
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._running, self._running_confirms = "", False
        self._next = ""  # waits for the running one; confirms deletions
        self._closing = threading.Lock()  # held while the end of a job is told
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self, *, confirm_deletions: bool = False) -> Job:
        with self._lock:
            if self._running and (self._running_confirms or not confirm_deletions):
                return self._jobs[self._running]
            if self._running:
                self._next = self._next or self._add("waiting")
                return self._jobs[self._next]
            self._running, self._running_confirms = self._add(), confirm_deletions
            job = self._jobs[self._running]
            self._thread = threading.Thread(
                target=self._work, args=(job.job_id, confirm_deletions), name="footnote-job", daemon=True
            )
            self._thread.start()
            return job

    def _add(self, phase: str = "") -> str:
        job = Job(uuid.uuid4().hex[:12], "running", phase)
        self._jobs[job.job_id] = job
        while len(self._jobs) > _KEPT:
            self._jobs.popitem(last=False)
        return job.job_id

    def get(self, job_id: str) -> Job | None:
        with self._lock:
            return self._jobs.get(job_id)

    def running(self) -> Job | None:
        with self._lock:
            return self._jobs[self._running] if self._running else None

    def telling(self) -> Job | None:
        """The one that runs, or else the newest where it waits for a word: what a reader of the index is to be told."""
        with self._lock:
            if self._running:
                return self._jobs[self._running]
            newest = next(reversed(self._jobs.values()), None)
            return newest if newest is not None and newest.state == "needs_confirmation" else None

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when no job runs any more."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def close(self) -> None:
        """From now on nobody is told of the end of a job; one that runs is left to end by itself."""
        with self._closing:
            self._closed = True

    def _work(self, job_id: str, confirm_deletions: bool) -> None:
        """Run a job, and the one that has come to wait for it."""
        following = self._run(job_id, confirm_deletions)
        if following and not self._closed:
            self._run(following, confirm_deletions=True)  # none waits for this one: it confirms all there is

    def _run(self, job_id: str, confirm_deletions: bool) -> str:
        """Returns the job that is to follow, or ""."""

        def progress(phase: str, done: int, total: int) -> None:
            self._update(job_id, phase=phase, done=done, total=total)

        try:
            report = self._rebuild(progress, confirm_deletions=confirm_deletions)
            with self._closing:
                if not self._closed:
                    self._on_done()
            _log.info("rebuilt", job=job_id, generation=report.generation, published=report.published)
            return self._finish(job_id, state="done", generation=report.generation, report=report)
        except NeedsConfirmation as error:
            _log.warning("rebuild_needs_confirmation", job=job_id, reason=str(error))
            vanished = Vanished(len(error.vanished), error.served, error.vanished[:_NAMED])
            told = problem_of(error, f"/v1/index/jobs/{job_id}")
            return self._finish(job_id, state="needs_confirmation", error=told, vanished=vanished)
        except FootnoteError as error:
            _log.error("rebuild_failed", job=job_id, error=type(error).__name__, reason=str(error))
            return self._finish(job_id, state="failed", error=problem_of(error, f"/v1/index/jobs/{job_id}"))
        except Exception as error:  # noqa: BLE001 - a job must end as failed, never hang as running
            _log.error("rebuild_failed", job=job_id, error=type(error).__name__, exc_info=error)
            failed = BuildFailed("The build failed.")
            return self._finish(job_id, state="failed", error=problem_of(failed, f"/v1/index/jobs/{job_id}"))

    def _finish(self, job_id: str, **fields: Any) -> str:
        """Returns the job that runs now, or ""."""
        with self._lock:
            self._jobs[job_id] = replace(self._jobs[job_id], **fields)
            self._running, self._running_confirms, self._next = self._next, bool(self._next), ""
            return self._running

    def _update(self, job_id: str, **fields: Any) -> None:
        with self._lock:
            self._jobs[job_id] = replace(self._jobs[job_id], **fields)
