"""Starts a server where there is no network but loopback, and says what became of it. Run by unshare -n.

python -m tests.faults.cold_start TRACE COMMAND...: the command starts the server; TRACE is where strace writes."""

from __future__ import annotations

import asyncio
import fcntl
import json
import re
import socket
import struct
import subprocess
import sys
import time

from tests.faults.calls import CALLS
from tests.faults.clients import exchange

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def main(trace: str, command: list[str]) -> int:
    loopback_up()
    begun = time.monotonic()
    watched = ["-e", "signal=none", "-e", f"trace={CALLS}"]
    traced = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", *watched, "-o", trace, *command]
    with subprocess.Popen(traced, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            said = re.search(r"http://[\d.]+:(\d+)", running.stdout.readline())
            assert said, "it does not listen"
            ready, answered = asyncio.run(_ask(int(said[1])))
            print(json.dumps({"ready": ready, "answered": answered, "seconds": round(time.monotonic() - begun, 2)}))  # noqa: T201
        finally:
            running.terminate()  # with -D that is the server, and strace is its child
    return 0


async def _ask(port: int) -> tuple[int, int]:
    ready = await exchange(port, "/readyz")
    answer = await exchange(port, "/v1/ask", {"question": "When was the harbour gate painted?"})
    return ready.status, answer.status if answer.whole else 0


def loopback_up() -> None:
    """In a network namespace of one's own, loopback is there and down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        asked = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(sock, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
