"""Servers in processes of their own, whatever they serve: started, asked what they hold, stopped, and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_URL = re.compile(r"http://([\d.]+:(\d+))")


@dataclass(frozen=True)
class Process:
    """A server that listens, and what it holds."""

    running: subprocess.Popen[str]  # what was started: the server, or what watches it
    pid: int  # the server's own
    address: str  # host and port
    log: Path  # what it writes to stderr

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def memory_kib(self) -> int:
        return memory_of(self.pid)["VmRSS"]

    def peak_kib(self) -> int:
        return memory_of(self.pid)["VmHWM"]

    def stop(self, sig: int = signal.SIGTERM) -> None:
        os.kill(self.pid, sig)

    def status(self, timeout_s: float = 60) -> int:
        return self.running.wait(timeout_s)

    def said(self) -> str:
        """What it logged."""
        return self.log.read_text("utf-8")


@contextmanager
def launched(
    command: Sequence[str],
    log: Path,
    *,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Iterator[Process]:
    """The server that ``command`` starts, once it has said where it listens. It is killed at the end, with all that it
    has started. ``before`` is a command that runs it and watches, such as strace."""
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            [*before, *command], cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
            start_new_session=True,
        ) as running,
    ):  # fmt: skip
        try:
            assert running.stdout is not None
            said = next(filter(None, map(_URL.search, running.stdout)), None)
            assert said, log.read_text("utf-8")[-2_000:]
            yield Process(running, _child(running.pid) if before else running.pid, said[1], log)
        finally:
            with suppress(ProcessLookupError):  # it has ended; why is in the failure that is on its way
                os.killpg(running.pid, signal.SIGKILL)


def memory_of(process: int) -> dict[str, int]:
    """The kernel's names for kinds of memory, and how many KiB there are of each."""
    lines = [line.split() for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines()]
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1] == "kB"}


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
