"""Runs a build in a process of its own: embedding gives its memory back, and a killed build harms nobody.

Spawned, never forked: faiss and onnxruntime start threads, and a fork of a threaded process can hang."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from index.build import Gate, Progress, build
from index.errors import BuildFailed, FootnoteError
from index.ingest import BuildOptions
from index.types import Encoder, IngestReport

_NICE = 10  # questions are answered on the same cores
_PROGRESS_EVERY_S = 0.1


def build_in_child(
    options: BuildOptions,
    load_encoder: Callable[[], Encoder],
    progress: Progress = lambda *_: None,
    gate: Gate | None = None,
) -> IngestReport:
    """What index.build.build does, in a child process. ``load_encoder`` and ``gate`` must be importable there (a
    module-level function, or a partial of one). Raises what build raises, and BuildFailed when the child dies."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(
        target=_child, args=(sender, options, load_encoder, gate), daemon=True, name="footnote-build"
    )
    child.start()
    sender.close()
    try:
        while True:
            message = receiver.recv()
            if isinstance(message, IngestReport):
                return message
            if isinstance(message, BaseException):
                raise message
            progress(*message)
    except EOFError:
        child.join()
        raise BuildFailed(
            f"The build process ended without a result (exit code {child.exitcode}).{_perhaps(options.max_memory_mb)}",
            remedy="The index served is unchanged. Run footnote index again; footnote doctor looks for the cause.",
        ) from None
    finally:
        receiver.close()
        if child.is_alive():
            child.join(timeout=10)
            if child.is_alive():
                child.terminate()
        child.join()
        child.close()


def _bound_memory(megabytes: int) -> None:
    """Have the kernel refuse this process more than so much of memory of its own. Files that are mapped, such as the
    vectors read from the generation before, do not count: the kernel takes their memory back when it needs it."""
    if megabytes:
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))


def _told(megabytes: int) -> str:
    return f"{megabytes} MiB, as max_memory_mb says" if megabytes else "all that this machine has"


def _perhaps(megabytes: int) -> str:
    """A library that is refused memory may end the process before Python can say so."""
    return f" It may have needed more memory than it may take ({_told(megabytes)})." if megabytes else ""


def _child(sender: Connection, options: BuildOptions, load_encoder: Callable[[], Encoder], gate: Gate | None) -> None:
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    last = ("", 0.0)

    def progress(phase: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if phase != last[0] or done == total or now - last[1] >= _PROGRESS_EVERY_S:
            last = (phase, now)
            sender.send((phase, done, total))

    try:
        _bound_memory(options.max_memory_mb)
        progress("loading", 0, 0)  # the encoder; its first use takes seconds
        sender.send(build(options, load_encoder(), progress, gate))
    except MemoryError:
        sender.send(
            BuildFailed(
                f"The build needs more memory than it may take ({_told(options.max_memory_mb)}).",
                remedy="The index is unchanged. Raise FOOTNOTE_MAX_MEMORY_MB, or index fewer documents.",
            )
        )
    except FootnoteError as error:
        sender.send(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent must hear of it rather than of a dead pipe
        sender.send(
            BuildFailed(f"The build failed ({type(error).__name__}: {error}).", remedy="The index is unchanged.")
        )
    finally:
        sender.close()
