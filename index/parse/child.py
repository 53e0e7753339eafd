"""python -m index.parse.child PARENT LIMITS...: reads files for a build, each as one frame of suffix and bytes.

Standard input is the socket that frames come and go by. Started by index.parse.sandbox, and confined before it sees
the first byte of a file. Imports the parsers and nothing that starts threads."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from index.errors import SkipFile
from index.parse import Limits, parse
from index.parse.confine import allow_cpu, confine, die_with
from index.parse.wire import EXIT_NO_MEMORY, Refusal, encode, framed, read_frame

_SOCKET = 0  # its file descriptor


def main(parent: int, memory_mb: int, cpu_s: int, max_bytes: int, limits: Limits) -> None:
    """Answer until the socket closes; ``max_bytes`` bound an answer."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the build, which closes the socket
    layers = confine(memory_mb)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 2)  # what libraries grumble while they read is of no use to anyone
    _send(framed(layers.encode()))
    try:
        while (suffix := _receive()) is not None and (data := _receive()) is not None:
            allow_cpu(cpu_s)
            _send(framed(_read(data, suffix.decode(), limits, max_bytes)))
    except MemoryError:
        os._exit(EXIT_NO_MEMORY)


def _read(data: bytes, suffix: str, limits: Limits, max_bytes: int) -> bytes:
    try:
        message = encode(parse(data, suffix, limits))
        if len(message) > max_bytes:
            message = encode(Refusal("parser_limit", "its text and headings take too much"))
    except SkipFile as skip:
        message = encode(Refusal(skip.reason, skip.detail, isinstance(skip.__cause__, MemoryError)))
    except MemoryError:
        message = encode(Refusal("parser_limit", "MemoryError", exhausted=True))
    return message


def _receive() -> bytes | None:
    return read_frame(lambda size: os.read(_SOCKET, size), sys.maxsize)  # from the build, which is believed


def _send(message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(_SOCKET, rest) :]


if __name__ == "__main__":
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    main(**{**arguments, "limits": Limits(**arguments["limits"])})
