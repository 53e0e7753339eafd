"""Between a process and the kernel: every call by which it changes files passes here, and may fail or be its last.

seccomp(2) has such calls wait until a supervisor has answered (seccomp_unotify(2)). It sees them in the order they are
made, whichever thread and library makes them, so "the Nth change of this folder" is a point that can be walked. Nothing
of the process is changed: SQLite, tantivy and FAISS meet the faults as Python does.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

# Name -> number on x86-64, and where the call says which file: the descriptor's argument, the path's, or both.
_CALLS: dict[str, tuple[int, int | None, int | None]] = {
    "write": (1, 0, None), "pwrite64": (18, 0, None), "writev": (20, 0, None), "pwritev": (296, 0, None),
    "fsync": (74, 0, None), "fdatasync": (75, 0, None), "ftruncate": (77, 0, None), "fallocate": (285, 0, None),
    "sendfile": (40, 0, None), "copy_file_range": (326, 2, None),
    "open": (2, None, 0), "openat": (257, 0, 1),
    "rename": (82, None, 1), "renameat": (264, 2, 3), "renameat2": (316, 2, 3),
    "link": (86, None, 1), "linkat": (265, 2, 3), "symlink": (88, None, 1), "symlinkat": (266, 1, 2),
    "unlink": (87, None, 0), "unlinkat": (263, 0, 1), "rmdir": (84, None, 0),
    "mkdir": (83, None, 0), "mkdirat": (258, 0, 1), "truncate": (76, None, 0),
}  # fmt: skip
_FLAGS_AT = {"open": 1, "openat": 2}  # the argument that says whether a file is opened to be written
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NAMES = {number: name for name, (number, _, _) in _CALLS.items()}
EVERY = frozenset(_CALLS)
TAKE_SPACE = EVERY - {"unlink", "unlinkat", "rmdir", "truncate", "ftruncate"}  # what a full disk refuses

_AUDIT_X86_64 = 0xC000003E
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000  # linux/seccomp.h
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_SECCOMP, _SET_FILTER, _NEW_LISTENER = 317, 1, 8
_NO_NEW_PRIVS = 38
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1  # seccomp_unotify(2)
_NOTIFICATION = struct.Struct("<QIIiIQ6Q")  # id, thread, flags, number, architecture, instruction, arguments
_ANSWER = struct.Struct("<QqiI")  # id, value, error, flags
_AT_FDCWD = 0xFFFFFF9C
_PAGE = 4096


def why_not() -> str:
    """Why calls cannot be watched on this machine; "" when they can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "system calls are watched on x86-64 Linux only"
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _listener() >= 0 else 1)
    return "" if os.waitpid(pid, 0)[1] == 0 else "the kernel does not let a process's system calls be watched"


def hand_over(channel: socket.socket) -> None:
    """From here on every change of a file that this thread, and threads it starts, make waits for whoever is at the
    other end of ``channel``."""
    listener = _listener()
    if listener < 0:
        raise OSError(errno.ENOSYS, "the kernel does not let system calls be watched")
    socket.send_fds(channel, [b"%d" % os.getpid()], [listener])
    os.close(listener)


def _listener() -> int:
    def step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("HBBI", code, then, otherwise, value)

    steps = [step(_LOAD, _ARCHITECTURE_AT), step(_EQUAL, _AUDIT_X86_64, then=1), step(_RETURN, _ALLOW)]
    steps.append(step(_LOAD, _NUMBER_AT))
    for name, (number, _, _) in _CALLS.items():
        if name in _FLAGS_AT:
            flags = step(_LOAD, _ARGUMENTS_AT + 8 * _FLAGS_AT[name])
            asked = [flags, step(_ANY_BIT, _WRITES, otherwise=1), step(_RETURN, _ASK), step(_RETURN, _ALLOW)]
        else:
            asked = [step(_RETURN, _ASK)]
        steps += [step(_EQUAL, number, otherwise=len(asked)), *asked]
    steps.append(step(_RETURN, _ALLOW))
    held = ctypes.create_string_buffer(b"".join(steps))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(held)))
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    found: int = libc.syscall(_SECCOMP, _SET_FILTER, _NEW_LISTENER, head)
    return found


@dataclass(frozen=True, slots=True)
class Call:
    """One change of the folder: what is called, and of which file (for a rename or a link, the new name)."""

    name: str
    path: str  # relative to the folder

    def __str__(self) -> str:
        return f"{self.name} of {self.path}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls the ``at``-th, from 0, of the calls named ``among``: the process dies of it, or it fails."""

    at: int
    error: int = 0  # 0: killed
    forever: bool = False  # it, and all that follow
    among: frozenset[str] = EVERY

    def __str__(self) -> str:
        what = f"{errno.errorcode[self.error]}{' for ever' if self.forever else ''}" if self.error else "SIGKILL"
        return f"{what} at call {self.at}"


class Watch:
    """Answers for a process that has handed its calls over, in a thread, until that process has ended.

    ``calls`` are those that change something below ``folder``; ``struck`` is the one that ``fault`` befell first."""

    def __init__(self, channel: socket.socket, folder: Path, fault: Fault | None = None) -> None:
        self.calls: list[Call] = []
        self.struck: Call | None = None
        message, (self._listener, *_), _, _ = socket.recv_fds(channel, 16, 1)
        self.pid = int(message)
        self._folder = os.path.realpath(folder)
        self._fault = fault
        self._counted = 0
        self._killed = False
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="watch", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Return when the process has ended; raises what went wrong here."""
        self._thread.join(timeout=120)
        assert not self._thread.is_alive(), "the process that is watched does not end"
        if self._failed is not None:
            raise self._failed

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        try:
            while True:
                ((_, event),) = poll.poll() or [(0, 0)]
                if not event & select.POLLIN:
                    return  # no process has the filter any more
                self._answer_one()
        except BaseException as error:  # noqa: BLE001 - told by join()
            self._failed = error
            self._kill()
        finally:
            os.close(self._listener)

    def _answer_one(self) -> None:
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # killed meanwhile
                return
            raise
        number_of, thread, _, call, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        failure = self._decide(thread, _NAMES[call], arguments)
        if self._killed:  # with an answer, the call might still be made before the process dies
            return
        answer = bytearray(_ANSWER.pack(number_of, 0, -failure, 0 if failure else _CONTINUE))
        try:
            fcntl.ioctl(self._listener, _SEND, answer)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def _decide(self, thread: int, name: str, arguments: list[int]) -> int:
        """0 to go on, or the error that the call is to fail with."""
        try:
            path = self._path(thread, name, arguments)
        except (FileNotFoundError, ProcessLookupError):  # the process is gone
            return 0
        if not (path + "/").startswith(self._folder + "/"):
            return 0
        call = Call(name, os.path.relpath(path, self._folder))
        self.calls.append(call)
        fault = self._fault
        if fault is None or name not in fault.among:
            return 0
        at, self._counted = self._counted, self._counted + 1
        if at != fault.at and not (fault.forever and at > fault.at):
            return 0
        self.struck = self.struck or call
        if not fault.error:
            self._kill()
        return fault.error

    def _kill(self) -> None:
        self._killed = True
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _path(self, thread: int, name: str, arguments: list[int]) -> str:
        _, descriptor_at, path_at = _CALLS[name]
        process = Path("/proc") / str(thread)
        below = process / "cwd"
        if descriptor_at is not None and arguments[descriptor_at] & 0xFFFFFFFF != _AT_FDCWD:
            below = process / "fd" / str(arguments[descriptor_at] & 0xFFFFFFFF)
        where = str(below.readlink())
        if path_at is None:
            return where
        return os.path.normpath(os.path.join(where, _string(process / "mem", arguments[path_at])))


def _string(memory: Path, address: int) -> str:
    """The string at an address of another process; it ends at a NUL."""
    found = b""
    with memory.open("rb", buffering=0) as stream:
        stream.seek(address)
        while b"\0" not in found:
            block = stream.read(_PAGE - stream.tell() % _PAGE)
            if not block:
                break
            found += block
    return os.fsdecode(found.split(b"\0", 1)[0])
