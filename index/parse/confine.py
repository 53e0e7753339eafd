"""Takes from this process, for good, what reading a file has no need of: the network, other programs, writing.

Four layers, because none of them is everywhere. Limits of the kernel bound memory, size of files and number of
processes, and root gives up its privileges. A network namespace of its own leaves nothing to reach, where the kernel
lets users make one. Landlock (landlock(7), Linux 5.13) refuses writing, and looking into the process that started this
one: where there are no namespaces, /proc would tell its environment, and that holds keys. A filter of system calls
(seccomp(2), on x86-64 and arm64) refuses sockets, programs, signals to others and every way to write, also to native
code. Where there is no such filter, an audit hook refuses the same to Python code.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from typing import Any

_MB = 1 << 20
_OPEN_FILES = 64  # the parsers' own libraries, imported late

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38  # prctl(2)
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same numbers everywhere
# Writing to files, removing and making whatever there is; linux/landlock.h, as of its first version.
_LANDLOCK_WRITING = sum(1 << bit for bit in (1, *range(4, 13)))
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000

# Calls by name and their numbers in linux/unistd.h: x86-64, arm64; -1 where an architecture has no such call.
_REFUSED = {
    # the network
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    # programs and processes
    "fork": (57, -1), "vfork": (58, -1), "clone": (56, 220), "execve": (59, 221), "execveat": (322, 281),
    # other processes
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186),
    # writing; open() with a flag that writes is refused below
    "creat": (85, -1), "truncate": (76, 45), "rename": (82, -1), "renameat": (264, 38), "renameat2": (316, 276),
    "mkdir": (83, -1), "mkdirat": (258, 34), "rmdir": (84, -1), "link": (86, -1), "linkat": (265, 37),
    "unlink": (87, -1), "unlinkat": (263, 35), "symlink": (88, -1), "symlinkat": (266, 36), "mknod": (133, -1),
    "mknodat": (259, 33), "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, -1),
    "fchown": (93, 55), "lchown": (94, -1), "fchownat": (260, 54), "fchmodat2": (452, 452), "utime": (132, -1),
    "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "removexattrat": (466, 466), "file_setattr": (469, 469),
    # other ways to any of these, and doors that have let others in
    "io_uring_setup": (425, 425), "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "mq_open": (240, 180),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104),
}  # fmt: skip
_ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}  # answered as an older kernel would: callers fall back
_OPENS = {"open": ((2, -1), 1), "openat": ((257, 56), 2)}  # and which argument holds the flags
_IOCTL = ((16, 29), 1)  # and which argument says what is asked of a device or file
# Keys pressed on a terminal (TIOCSTI, TIOCLINUX), and the attributes of files (FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR).
_IOCTLS_REFUSED = (0x5412, 0x541C, 0x40086602, 0x401C5820)
_OWN_ONLY = {
    "tgkill": ((234, 131), os.getpid),
    "prlimit64": ((302, 261), lambda: 0),
}  # allowed with this first argument
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, and AUDIT_ARCH of audit.h
_X32 = 0x40000000  # x86-64 answers to a second set of numbers from here on
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # linux/seccomp.h
_EPERM, _ENOSYS = 1, 38
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data; arguments are 8 bytes, low half first

_REFUSED_EVENTS = ("socket.", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.kill")


def die_with(parent: int) -> None:
    """End this process when ``parent`` (its process id) ends, now if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(0)


def confine(memory_mb: int) -> str:
    """Confine this process for good and say by what: "limits, namespace, landlock, filter", or as much as is here."""
    layers = ["limits"]
    _limit(resource.RLIMIT_AS, memory_mb * _MB)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    unshare = ctypes.CDLL(None).unshare
    if any(unshare(flags | _CLONE_NEWNET | _CLONE_NEWIPC) == 0 for flags in (_CLONE_NEWUSER, 0)):
        layers.append("namespace")
    harmless = _give_up_capabilities()
    if _landlock() and harmless:
        layers.append("landlock")
    if _filter_calls():
        layers.append("filter")
    sys.addaudithook(_refuse)
    return ", ".join(layers)


def allow_cpu(seconds: int) -> None:
    """Let this process use so many seconds more; past them the kernel ends it with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:  # noqa: ARG001 - the signature is an audit hook's
    if event.startswith(_REFUSED_EVENTS):
        raise PermissionError(f"a parser may not use {event}")


def _prctl(option: int, *arguments: Any) -> bool:
    padded = [argument if isinstance(argument, ctypes.Array) else ctypes.c_ulong(argument) for argument in arguments]
    padded += [ctypes.c_ulong(0)] * (4 - len(padded))
    return bool(ctypes.CDLL(None).prctl(option, *padded) == 0)


def _give_up_capabilities() -> bool:
    """Whether this process is without them now, or never was root's. Root without capabilities is a user like any
    other; with them it may look into processes whatever the rules."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)  # of this very process
    none = bytes(24)  # effective, permitted and inheritable, twice 32 of them
    return bool(ctypes.CDLL(None).capset(header, none) == 0) or os.geteuid() != 0


def _landlock() -> bool:
    """Whether the kernel took rules that let nothing be written anywhere. A process under rules, whatever they are,
    sees nothing of one that is not: no environment, memory or open files."""
    if not _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        return False
    syscall = ctypes.CDLL(None).syscall
    rules = ctypes.c_uint64(_LANDLOCK_WRITING)  # struct landlock_ruleset_attr
    handle = syscall(
        ctypes.c_long(_LANDLOCK_CREATE_RULESET), ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0
    )
    if handle < 0:
        return False
    try:
        return bool(syscall(ctypes.c_long(_LANDLOCK_RESTRICT_SELF), handle, 0) == 0)
    finally:
        os.close(handle)


def _filter_calls() -> bool:
    """Whether the kernel took the filter."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None or sys.maxsize < 1 << 32:
        return False
    program = b"".join(_program(*known))
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))  # struct sock_fprog
    if not _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        return False
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(head, len(head)))


def _program(column: int, architecture: int) -> list[bytes]:
    """The filter, one struct sock_filter an element: a test skips the instructions that follow where it fails."""

    def step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("HBBI", code, then, otherwise, value)

    refuse, allow = step(_RETURN, _ERRNO | _EPERM), step(_RETURN, _ALLOW)
    steps = [step(_LOAD, _ARCHITECTURE_AT), step(_EQUAL, architecture, then=1), step(_RETURN, _KILL)]
    steps += [step(_LOAD, _NUMBER_AT), step(_AT_LEAST, _X32, otherwise=1), refuse]
    for numbers, answer in [(known, refuse) for known in _REFUSED.values()] + [
        (known, step(_RETURN, _ERRNO | _ENOSYS)) for known in _ABSENT.values()
    ]:
        if numbers[column] >= 0:
            steps += [step(_EQUAL, numbers[column], otherwise=1), answer]
    for numbers, place in _OPENS.values():
        if numbers[column] >= 0:
            flags = step(_LOAD, _ARGUMENTS_AT + 8 * place)
            steps += [step(_EQUAL, numbers[column], otherwise=4), flags, step(_ANY_BIT, _WRITING, otherwise=1)]
            steps += [refuse, allow]
    numbers, place = _IOCTL
    for asked in _IOCTLS_REFUSED:
        steps += [step(_EQUAL, numbers[column], otherwise=4), step(_LOAD, _ARGUMENTS_AT + 8 * place)]
        steps += [step(_EQUAL, asked, otherwise=1), refuse, step(_LOAD, _NUMBER_AT)]
    for numbers, own in _OWN_ONLY.values():
        steps += [step(_EQUAL, numbers[column], otherwise=4), step(_LOAD, _ARGUMENTS_AT)]
        steps += [step(_EQUAL, own(), otherwise=1), allow, refuse]
    return [*steps, allow]
