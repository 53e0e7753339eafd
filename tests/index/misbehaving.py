"""A parser process that was taken over: it does what the bytes of a file tell it. See test_sandbox.py."""

from __future__ import annotations

import os
import signal
import sys
import time

from index.parse.wire import encode, framed, read_frame
from index.types import Parsed, Place, Segment


def _send(message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(0, rest) :]


def _receive() -> bytes | None:
    return read_frame(lambda size: os.read(0, size), sys.maxsize)


def _obey(deed: str, first: bool) -> None:
    match deed.split():
        case ["die", "unless", "first"] if not first:
            os.kill(os.getpid(), signal.SIGSEGV)
        case ["die", name] if name in signal.Signals.__members__:
            os.kill(os.getpid(), signal.Signals[name])
        case ["exit"]:
            os._exit(7)
        case ["hang"]:
            time.sleep(60)
        case ["hang", "up"]:
            os.close(0)
            time.sleep(60)
        case ["half", *_]:
            _send(framed(b"{}" * 50)[:40])
            os._exit(0)
        case ["huge", *_]:
            _send((1 << 62).to_bytes(8, "big"))
            time.sleep(60)
        case ["no", "JSON"]:
            _send(framed(b"\x80pickle"))
        case ["nested", *_]:
            _send(framed(b"[" * 500_000))
        case ["a", "lone", *_]:
            _send(framed(b'{"text":"\\ud800","segments":[],"places":[],"title":"","warnings":[]}'))
        case ["an", "unknown", *_]:
            _send(framed(b'["no_such_reason","",false]'))
        case _:
            _send(framed(encode(Parsed(deed, (Segment(0, len(deed), "prose", Place()),), ""))))


if __name__ == "__main__":
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _send(framed(b"none"))
    count = 0
    while _receive() is not None and (asked := _receive()) is not None:
        _obey(asked.decode(), count == 0)
        count += 1
