"""A server in a process of its own on the loopback address, as ``footnote serve`` runs it, and clients that ask it."""

from __future__ import annotations

import http.client
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.speed.child import resident
from eval.benchmarks.speed.types import Latency, latency
from index.errors import BuildFailed

COMMAND = (sys.executable, "-P", "-m", "api.cli", "serve")
"""-P: a folder called api in the working folder is not ours."""

_START_S = 120  # until a server listens
_STOP_S = 20
_ANSWER_S = 60  # until a request counts as failed


class Served:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    def resident(self) -> tuple[int, int]:
        """Bytes of memory at most so far, and now."""
        return resident(self._process.pid)


@contextmanager
def serve(
    source: Path, data: Path, log: Path, variables: Sequence[str] = (), command: Sequence[str] = COMMAND
) -> Iterator[Served]:
    """Run a server of the index in ``data`` until left; ``variables`` are NAME=VALUE and win over the environment.

    Raises BuildFailed when it does not listen in time."""
    options = ("--source", str(source), "--data", str(data), "--host", "127.0.0.1", "--port", "0", "--no-update")
    with log.open("w") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command, and a folder of our own
            ("env", *variables, *command, *options),  # noqa: S607 - every system has its own env
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            yield Served(process, _port(process, log))
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _port(process: subprocess.Popen[str], log: Path) -> int:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if ready else ""
    if "http://127.0.0.1:" not in line:
        last = (log.read_text("utf-8", "replace").strip().splitlines() or ["no output"])[-1]
        raise BuildFailed(f"The server to be measured did not start ({last[:300]}).", remedy="See footnote doctor.")
    return int(line.split("http://127.0.0.1:")[1].split()[0].rstrip("/"))


@dataclass(frozen=True, slots=True)
class Load:
    """What clients saw that asked at the same time, each its next question when the last was answered."""

    clients: int
    requests: int
    errors: int  # answers other than 200, and requests that got none
    seconds: float
    per_second: float  # answered with 200
    latency: Latency


def ask_all(port: int, path: str, bodies: Sequence[bytes], clients: int) -> Load:
    """POST every one of ``bodies`` once, from ``clients`` connections that are kept open. Raises BuildFailed when none
    is answered."""
    waiting = iter(bodies)
    lock = threading.Lock()
    took: list[float] = []
    errors = 0

    def client() -> None:
        nonlocal errors
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                break
            began = time.perf_counter()
            answered = _post(connection, path, body)
            seconds = time.perf_counter() - began
            with lock:
                if answered:
                    took.append(seconds)
                else:
                    errors += 1
        connection.close()

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if not took:
        raise BuildFailed(f"None of {len(bodies)} requests to {path} was answered.", remedy="See footnote doctor.")
    return Load(clients, len(bodies), errors, seconds, len(took) / seconds, latency(took))


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> bool:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it again
        return False
    return response.status == 200
