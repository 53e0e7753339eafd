"""Running something in a process of its own, so that what it takes of memory is its own and is given back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar

from index.errors import BuildFailed, FootnoteError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    value: T
    peak_rss: int  # bytes resident at most
    rss: int  # bytes resident at the end


def in_child(function: Callable[..., T], *arguments: Any) -> Ran[T]:
    """What ``function`` returns in a spawned process, where it must be importable, as must its arguments. Raises the
    FootnoteError that it raises, and BuildFailed when it raises another or dies."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(sender, function, arguments), name="footnote-bench")
    child.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        child.join()
        found = BuildFailed(
            f"A measuring process ended without a result (exit code {child.exitcode}).",
            remedy="Code -9 is a lack of memory, as a rule: measure less text.",
        )
    finally:
        receiver.close()
        child.join()
        child.close()
    if isinstance(found, FootnoteError):
        raise found
    assert isinstance(found, Ran)
    return found


def _run(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        value = function(*arguments)
        sender.send(Ran(value, *resident()))
    except FootnoteError as error:
        sender.send(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent must hear of it rather than of a dead pipe
        sender.send(BuildFailed(f"A measuring process failed ({type(error).__name__}: {error}).", remedy=""))
    finally:
        sender.close()


def resident(process: int | str = "self") -> tuple[int, int]:
    """Bytes of memory that a process has had resident at most, and has now."""
    lines = (line.split() for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines())
    sizes = {words[0]: int(words[1]) << 10 for words in lines if words and words[0] in ("VmHWM:", "VmRSS:")}
    return sizes["VmHWM:"], sizes["VmRSS:"]
