"""Builds in processes of their own that start in milliseconds: forked from one that has imported everything.

That process has no second thread, so a fork of it is whole. A build can be watched, killed or left to itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults.syscalls import Fault, Watch, hand_over

_GO = b"go"
_PROGRAM = "import sys; from tests.faults.builders import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a build ended: killed, with an error, or with the generation that is live."""

    killed: bool
    error: str = ""  # its class
    message: str = ""
    generation: str = ""
    published: bool = False


class Running:
    """A build in its process."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.pid = pid
        self._channel = channel
        self._process = os.pidfd_open(pid)
        channel.send(_GO)  # not before: a process that has ended cannot be opened

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it has ended
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> Ended:
        """How it ended; the process is gone when this returns, and with it all that it held."""
        said = b""
        with suppress(ConnectionResetError):  # killed before it had read what it was told
            while block := self._channel.recv(1 << 16):
                said += block
        assert select.select([self._process], [], [], 60)[0], "the build does not end"
        self.close()
        return Ended(**json.loads(said)) if said else Ended(killed=True)

    def close(self) -> None:
        self._channel.close()
        if self._process >= 0:
            os.close(self._process)
            self._process = -1


class Builders:
    """Starts builds; one at a time or several."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # Threads of BLAS and OpenMP would be lost in a fork.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self._socket = ours

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.wait(timeout=30)

    def start(self, source: Path, data: Path, what: str = "build", **options: Any) -> Running:
        """A build, or another of tests.faults.deeds, in a process of its own."""
        return Running(*self._ask(source, data, what, watched=False, **options))

    def _ask(self, source: Path, data: Path, what: str, *, watched: bool, **options: Any) -> tuple[socket.socket, int]:
        ours, theirs = socket.socketpair()
        with theirs:
            asked = {"what": what, "source": str(source), "data": str(data), "watched": watched, "options": options}
            socket.send_fds(self._socket, [json.dumps(asked).encode()], [theirs.fileno()])
        return ours, int(self._socket.recv(64))

    def run(
        self, source: Path, data: Path, fault: Fault | None = None, what: str = "build", **options: Any
    ) -> tuple[Ended, Watch]:
        """A build from start to end, with ``fault`` befalling it."""
        channel, pid = self._ask(source, data, what, watched=True, **options)
        running = Running(channel, pid)
        watch = Watch(channel, data, fault)
        ended = running.wait()
        watch.join()
        return ended, watch


# -- in the other process ----------------------------------------------------------------------------------------------


def serve(descriptor: int) -> None:
    """Fork a build for every request, until the other end is closed."""
    from tests.faults import deeds

    with socket.socket(fileno=descriptor) as requests:
        while True:
            message, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 1)
            _bury()
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                requests.close()
                _be(socket.socket(fileno=descriptors[0]), json.loads(message), deeds)
            os.close(descriptors[0])
            requests.send(b"%d" % pid)


def _bury() -> None:
    """Let the builds that have ended go."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _be(channel: socket.socket, asked: dict[str, Any], deeds: Any) -> None:
    from index.errors import FootnoteError

    try:
        channel.recv(len(_GO))
        if asked["watched"]:
            hand_over(channel)
        try:
            told = getattr(deeds, asked["what"])(Path(asked["source"]), Path(asked["data"]), **asked["options"])
        except FootnoteError as error:
            told = {"error": type(error).__name__, "message": str(error)}
        except Exception as error:  # noqa: BLE001 - the test is told of it, and says that it is not typed
            told = {"error": type(error).__name__, "message": f"{type(error).__module__}: {error}"}
        channel.sendall(json.dumps({"killed": False, **told}).encode())
    finally:
        os._exit(0)
