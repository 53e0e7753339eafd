"""Run by test_security_escapes.py as a program: what a parser that was taken over might try, and what came of it.

python -m tests.faults.attempts FOLDER SEED WITHOUT: confines itself, unless everything is taken out, tries each thing
once in an order by chance, and prints a line of JSON: what was done, and what was refused."""

# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH208, PTH211

from __future__ import annotations

import ctypes
import json
import os
import platform
import random
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from index.parse import confine

libc = ctypes.CDLL(None, use_errno=True)
_EPERM, _ENOSYS, _EACCES = 1, 38, 13

# Numbers of calls on x86-64 that a parser has no need of; each is tried with arguments that mean nothing, so a call
# that is let through complains about them and not about a want of permission.
_CALLS = {
    "socket": 41, "socketpair": 53, "connect": 42, "bind": 49, "execve": 59, "execveat": 322, "ptrace": 101,
    "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_open": 434, "pidfd_getfd": 438, "kcmp": 312,
    "process_madvise": 440, "creat": 85, "truncate": 76, "rename": 82, "renameat": 264, "renameat2": 316, "mkdir": 83,
    "mkdirat": 258, "rmdir": 84, "link": 86, "linkat": 265, "unlink": 87, "unlinkat": 263, "symlink": 88,
    "symlinkat": 266, "mknod": 133, "mknodat": 259, "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
    "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261,
    "utimensat": 280, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463, "removexattr": 197,
    "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466, "io_uring_setup": 425, "bpf": 321,
    "userfaultfd": 323, "perf_event_open": 298, "keyctl": 250, "add_key": 248, "request_key": 249, "mount": 165,
    "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "mount_setattr": 442, "mq_open": 240, "open_by_handle_at": 304, "shmget": 29,
    "semget": 64, "msgget": 68, "clone3": 435, "openat2": 437, "sched_setaffinity": 203, "sched_setattr": 314,
    "sched_setscheduler": 144, "setpriority": 141, "ioprio_set": 251, "migrate_pages": 256, "move_pages": 279,
}  # fmt: skip
_X32 = 0x40000000


def _checked(value: int) -> int:
    if value < 0:
        raise OSError(ctypes.get_errno(), "")
    return value


def deeds(folder: str, parent: int) -> dict[str, Callable[[], object]]:
    """What is tried, by name; each raises where it is refused."""
    here, old = folder.encode(), f"{folder}/old.txt"

    def linger() -> object:
        child = _checked(libc.fork())
        if child == 0:
            os._exit(0)
        return os.waitpid(child, 0)

    def program() -> object:
        return os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)

    def readv() -> object:
        kept, into = ctypes.create_string_buffer(8), (ctypes.c_size_t * 2)()
        into[0], into[1] = ctypes.addressof(kept), 8
        return _checked(libc.process_vm_readv(parent, into, 1, into, 1, 0))

    def press_a_key() -> object:
        terminal = os.open("/dev/ptmx", os.O_RDONLY)
        return _checked(libc.ioctl(terminal, ctypes.c_ulong(0x5412), b"x"))

    def chmod_anew() -> object:
        return _checked(libc.syscall(ctypes.c_long(452), -100, os.fsencode(old), 0o777, 0))

    return {
        "a socket": lambda: socket.socket(),
        "a socket of this machine": lambda: socket.socket(socket.AF_UNIX),
        "a native socket": lambda: _checked(libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)),
        "a raw socket": lambda: _checked(libc.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)),
        "a pair of sockets": lambda: socket.socketpair(),
        "asking a name server": lambda: socket.create_connection(("localhost", 1), 1),
        "a new file": lambda: Path(folder, "new.txt").write_text("x"),
        "a native new file": lambda: _checked(libc.open(here + b"/new.txt", os.O_CREAT | os.O_WRONLY, 0o600)),
        "a file without a name": lambda: os.open(folder, os.O_TMPFILE | os.O_WRONLY),
        "changing a file": lambda: Path(old).open("ab"),
        "cutting a file": lambda: os.truncate(old, 0),
        "deleting a file": lambda: os.unlink(old),
        "renaming a file": lambda: os.rename(old, f"{folder}/other.txt"),
        "a second name": lambda: os.link(old, f"{folder}/second.txt"),
        "a link": lambda: os.symlink(old, f"{folder}/link.txt"),
        "a pipe with a name": lambda: os.mkfifo(f"{folder}/pipe"),
        "a folder": lambda: os.mkdir(f"{folder}/folder"),
        "a mode": lambda: os.chmod(old, 0o777),
        "a mode, the newest way": chmod_anew,
        "an owner": lambda: os.chown(old, os.getuid(), os.getgid()),
        "a time": lambda: os.utime(old, (1, 1)),
        "a time, the oldest way": lambda: _checked(libc.utimes(os.fsencode(old), None)),
        "an attribute": lambda: os.setxattr(old, "user.note", b"x"),
        "shared memory": lambda: os.open("/dev/shm/footnote-attempt", os.O_CREAT | os.O_RDWR),
        "a fork": linger,
        "a thread": lambda: __import__("threading").Thread(target=print).start(),
        "a program": program,
        "a shell": lambda: os.system("true"),
        "a native program": lambda: _checked(libc.execve(b"/nowhere", None, None)),
        "a signal": lambda: os.kill(parent, 0),
        "a native signal": lambda: _checked(libc.kill(parent, 0)),
        "tracing": lambda: _checked(libc.ptrace(0x4206, parent, None, None)),
        "another's memory": readv,
        "another's limits": lambda: _checked(libc.prlimit(parent, 7, None, ctypes.create_string_buffer(16))),
        "another's priority": lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent)),
        "another's cores": lambda: os.sched_setaffinity(parent, os.sched_getaffinity(parent)),
        "another's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "another's map": lambda: Path(f"/proc/{parent}/maps").read_bytes(),
        "another's memory as a file": lambda: Path(f"/proc/{parent}/mem").open("rb").read(1),
        "another's root": lambda: os.listdir(Path("/proc", str(parent), "root")),
        "another's working folder": lambda: os.listdir(f"/proc/{parent}/cwd/"),
        "one's own memory as a file": lambda: Path("/proc/self/mem").open("r+b"),
        "a key pressed": press_a_key,
        "memory": lambda: bytearray(1_200_000_000),
    }


def calls() -> dict[str, Callable[[], object]]:
    """Every call by its number, with nonsense; there and under the second numbers that x86-64 has."""

    def tried(number: int) -> Callable[[], object]:
        def call() -> object:
            nothing = ctypes.c_long(-1)
            value = libc.syscall(ctypes.c_long(number), nothing, nothing, nothing, nothing, nothing, nothing)
            if value < 0 and ctypes.get_errno() in (_EPERM, _ENOSYS, _EACCES):
                raise OSError(ctypes.get_errno(), "")
            return value

        return call

    if platform.machine() != "x86_64":
        return {}
    plain = {f"call {name}": tried(number) for name, number in _CALLS.items()}
    return plain | {f"x32 call {name}": tried(number | _X32) for name, number in _CALLS.items() if number < 512}


def _take_out(what: str) -> None:
    """Makes of this machine one that lacks a layer; nothing of the product can be asked to leave one out."""
    if what == "namespaces":
        vars(confine)["_CLONE_NEWNET"] = 1  # no flag that unshare(2) knows


def main() -> None:
    folder, seed, without = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    _take_out(without)
    layers = "" if without == "everything" else confine.confine(1_024)
    tries = [*deeds(folder, os.getppid()).items(), *calls().items()]
    random.Random(seed).shuffle(tries)
    done, refused = [], []
    for name, deed in tries:
        try:
            deed()
        except (OSError, MemoryError, RuntimeError):
            refused.append(name)
        else:
            done.append(name)
    os.write(1, json.dumps({"layers": layers, "done": done, "refused": refused}).encode() + b"\n")


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    main()
