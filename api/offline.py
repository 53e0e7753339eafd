"""A process in which no socket can reach anything: the proof behind ``footnote doctor --offline``."""

from __future__ import annotations

import socket
import sys
from typing import Any

from index.errors import FootnoteError

attempts: list[str] = []
"""What was tried to be reached, in order."""


class NetworkUsed(FootnoteError):
    """Something tried to reach the network in a process that must not."""


def block() -> None:
    """Refuse, from now on and for good, every look-up and every connection that is not to this process's own files.

    An audit hook cannot be removed, and every call through Python's socket module passes it. Programs that this
    process starts are not blocked: what is to be proven runs in the process itself (see api.offline_probe)."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"):
            first = arguments[0] if arguments else None
            if isinstance(first, socket.socket) and first.family == socket.AF_UNIX:
                return
            target = str(arguments[1] if isinstance(first, socket.socket) and len(arguments) > 1 else first)
            attempts.append(target)
            raise NetworkUsed(f"Something tried to reach {target}.", remedy="Footnote must not: please report it.")

    sys.addaudithook(hook)
