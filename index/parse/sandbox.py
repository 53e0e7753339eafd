"""Parsing in a process of its own, which has little and can be killed: whatever a file does there, the build goes on.

The process is started when the first file needs it and is used for many. One that dies, runs past a limit or has read
many files is replaced. It is a fresh program, not a fork: faiss and onnxruntime start threads, and a fork of a threaded
process can hang. docs/decisions/0023 has the reasons and what it costs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from index.errors import BuildFailed
from index.parse import Limits, parse
from index.parse.wire import EXIT_NO_MEMORY, BrokenMessage, Refusal, decode, framed, read_frame
from index.types import Parsed

_END_S = 1.0  # for a process that has closed its socket
_START_S = 30.0  # it takes a tenth of a second; machines that swap take longer
_MAX_FILES = 1_000  # read by one process, which is then replaced: what a library leaks stays small
_PROGRAM = "index.parse.child"
_PLAIN = (".txt", ".text")
_PLAIN_BYTES = 1_000_000
_JSON_BYTES = 64_000_000  # of segments and places, beside four bytes a character of text
_ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package index

# How a process ends that is given no memory: the kernel's own killer, and what native allocators do.
_OUT_OF_MEMORY = frozenset({signal.SIGKILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGILL})
_LAST_WORDS_CHARS = 300

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one file may use of the machine. Beyond: skipped, parser_limit for memory, timeout for time."""

    memory_mb: int = 1_024  # of address space, the libraries included
    cpu_s: int = 30
    wall_s: float = 45


class _Gone(Exception):
    """The process ended, or was ended, before it answered; ``refusal`` is what is said of the file."""

    def __init__(self, refusal: Refusal, *, timed_out: bool = False) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal
        self.timed_out = timed_out


class Sandbox:
    """Parses files in a confined process. Not for several threads at once; close it after use."""

    def __init__(self, limits: Limits, sandbox: SandboxLimits, program: str = _PROGRAM) -> None:
        """``program`` is the module that the process runs; another is for tests."""
        self._limits = limits
        self._sandbox = sandbox
        self._program = program
        self._worker: _Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, if there is one."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def confinement(self) -> str:
        """What confines the process: "limits, namespace, landlock, filter", or as much as this machine has."""
        return self._started().layers

    def parse(self, data: bytes, suffix: str) -> Parsed:
        """As index.parse.parse. Raises SkipFile, with timeout and parser_limit for what ran past a limit, corrupt for
        what killed the process; BuildFailed when no process can be started."""
        if is_plain(data, suffix):
            return parse(data, suffix, self._limits)
        result = self._ask(data, suffix)
        if isinstance(result, Refusal):
            raise result.as_skip()
        return result

    def _ask(self, data: bytes, suffix: str) -> Parsed | Refusal:
        """A file is refused for want of memory, or for a crash, only by a process that has read nothing else."""
        while True:
            worker = self._started()
            first = worker.files == 0
            try:
                result = worker.ask(data, suffix)
                if not (isinstance(result, Refusal) and result.exhausted):
                    return result
                timed_out = False
            except _Gone as gone:
                result, timed_out = gone.refusal, gone.timed_out
            self.close()
            if first or timed_out:
                return result

    def _started(self) -> _Worker:
        if self._worker is None or self._worker.files >= _MAX_FILES:
            self.close()
            self._worker = _Worker(self._limits, self._sandbox, self._program)
        return self._worker


def is_plain(data: bytes, suffix: str) -> bool:
    """Whether a file can be read here: small text in UTF-8 passes through no library, and our own code reads it in
    time and memory in proportion to its size."""
    if suffix.lower() not in _PLAIN or len(data) > _PLAIN_BYTES:
        return False
    with suppress(UnicodeDecodeError):
        data.decode()
        return True
    return False


class _Worker:
    """One process, and the socket to it."""

    def __init__(self, limits: Limits, sandbox: SandboxLimits, program: str) -> None:
        self.files = 0
        self._sandbox = sandbox
        self._max_bytes = 4 * limits.max_text_chars + _JSON_BYTES
        arguments = {
            "parent": os.getpid(),
            "memory_mb": sandbox.memory_mb,
            "cpu_s": sandbox.cpu_s,
            "max_bytes": self._max_bytes,
            "limits": asdict(limits),
        }
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter and a module of our own
                [sys.executable, "-SPB", "-m", program, json.dumps(arguments)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(),
                cwd="/",
            )
        try:
            self.layers = self._receive(time.monotonic() + _START_S).decode()
        except (_Gone, UnicodeDecodeError) as error:
            words = self._last_words()
            self.close()
            raise BuildFailed(
                f"The parser process does not start ({words or error}).",
                remedy="Raise FOOTNOTE_PARSE_MEMORY_MB if it was lowered; footnote doctor looks for other causes.",
            ) from error

    def ask(self, data: bytes, suffix: str) -> Parsed | Refusal:
        """What the process makes of a file. Raises _Gone when it makes nothing of it."""
        deadline = time.monotonic() + self._sandbox.wall_s
        self.files += 1
        try:
            self._before(deadline, lambda: self._socket.sendall(framed(suffix.encode()) + framed(data)))
            return decode(self._receive(deadline))
        except BrokenMessage as error:
            raise _Gone(Refusal("corrupt", f"the parser's answer makes no sense: {error}")) from error

    def close(self) -> None:
        """Kill the process and wait for it, so that no zombie is left."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _receive(self, deadline: float) -> bytes:
        def receive(size: int) -> bytes:
            return self._before(deadline, lambda: self._socket.recv(size))

        message = read_frame(receive, self._max_bytes)
        if message is None:
            raise self._gone()
        return message

    def _before(self, deadline: float, act: Callable[[], _Value]) -> _Value:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            return act()
        except TimeoutError as error:
            refusal = Refusal("timeout", f"not read in {self._sandbox.wall_s:g} seconds")
            raise _Gone(refusal, timed_out=True) from error
        except ConnectionError as error:
            raise self._gone() from error

    def _gone(self) -> _Gone:
        """Why the process closed its end of the socket."""
        try:
            code = self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            return _Gone(Refusal("corrupt", "the parser hung up"))
        if code == EXIT_NO_MEMORY or -code in _OUT_OF_MEMORY:
            return _Gone(Refusal("parser_limit", f"it takes more than {self._sandbox.memory_mb} MB to read"))
        if -code == signal.SIGXCPU:
            refusal = Refusal("timeout", f"not read in {self._sandbox.cpu_s} seconds of computing")
            return _Gone(refusal, timed_out=True)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return _Gone(Refusal("corrupt", f"the parser died of it ({name})"))

    def _last_words(self) -> str:
        """The end of what a process that does not start said of it."""
        self._process.kill()
        said = self._process.communicate()[1]
        return " ".join(said.decode("utf-8", "replace").split())[-_LAST_WORDS_CHARS:]


def _environment() -> dict[str, str]:
    """What the process needs to find the same modules as this one, and nothing else: no key, no proxy, no home."""
    folders = [str(_ROOT), *(str(Path(folder).absolute()) for folder in sys.path if folder)]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
