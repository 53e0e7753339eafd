"""Which addresses a program tried to reach, as the kernel saw it: strace on the program and all that it starts."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

CALLS = "connect,sendto,sendmsg,sendmmsg"

_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_FAMILY = re.compile(r"sa_family=(AF_\w+)")
# Of this machine alone: files, and questions to the kernel about its own addresses.
_INSIDE = {"AF_UNIX", "AF_LOCAL", "AF_NETLINK", "AF_UNSPEC"}


@cache
def no_strace() -> str:
    """Why nothing can be traced here; "" where it can."""
    if not shutil.which("strace"):
        return "there is no strace"
    tried = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-o", os.devnull, "true"], capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else "strace may not trace here"


needs_strace = pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "it can be traced here")


def traced(log: Path, command: Sequence[str]) -> list[str]:
    """The command, to be run with every call that reaches out written to ``log``."""
    return [
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-e",
        f"trace={CALLS}",
        "-e",
        "signal=none",
        "-o",
        str(log),
        *command,
    ]


def run(
    log: Path, command: Sequence[str], environment: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        traced(log, command), env=dict(environment), cwd=cwd, capture_output=True, text=True, check=False
    )


def reached(log: Path) -> Iterator[str]:
    """Every address outside of this machine, and every family of sockets that could lead there, in the order tried."""
    for line in log.read_text("utf-8", "replace").splitlines():
        for family in _FAMILY.findall(line):
            if family in _INSIDE:
                continue
            found = _ADDRESS.search(line)
            if found is None:
                yield line
            elif not ipaddress.ip_address(found[1] or found[2]).is_loopback:
                yield found[1] or found[2]
            break
