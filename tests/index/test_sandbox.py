"""Whatever a file does to the process that reads it, the build hears a reason and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from index.errors import BuildFailed, SkipFile
from index.parse import Limits, parse
from index.parse.sandbox import Sandbox, SandboxLimits, is_plain
from index.parse.wire import BrokenMessage, Refusal, decode, encode, framed, read_frame
from index.types import Parsed, Place, Segment
from index.worker import build_in_child
from tests.fakes import make_fake_encoder
from tests.index.shelf import Shelf

ROOT = Path(__file__).resolve().parents[2]
PAGE = b"<html><body><h1>Lamps</h1><p>The lamp was lit in 1925.</p></body></html>"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(), SandboxLimits()) as made:
        yield made


def children() -> list[int]:
    """Process ids of this process's children, dead ones that nobody waited for too."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in map(int, listed) if b"-SPB" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def refused(sandbox: Sandbox, data: bytes, suffix: str) -> SkipFile:
    with pytest.raises(SkipFile) as caught:
        sandbox.parse(data, suffix)
    return caught.value


# -- the same texts as without it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "seeds").iterdir()), ids=lambda path: path.suffix)
def test_a_file_reads_the_same_in_the_process_as_here(path: Path, sandbox: Sandbox) -> None:
    assert sandbox.parse(path.read_bytes(), path.suffix) == parse(path.read_bytes(), path.suffix)


def test_reasons_come_through(sandbox: Sandbox) -> None:
    assert refused(sandbox, b"words", ".pdf").reason == "type_mismatch"
    assert refused(sandbox, b"%PDF-1.7 and then nothing", ".pdf").reason == "corrupt"
    assert refused(sandbox, b"<div>" * 100_000 + b"x", ".html").reason == "parser_limit"


def test_one_process_reads_many_files_and_is_gone_after() -> None:
    with Sandbox(Limits(), SandboxLimits()) as sandbox:
        assert children() == []  # none is started before a file needs it
        for _ in range(3):
            sandbox.parse(PAGE, ".html")
            (only,) = children()
        assert {only} == set(children())
    assert children() == []


def test_plain_text_is_read_here_when_our_own_code_is_all_that_reads_it(sandbox: Sandbox) -> None:
    assert sandbox.parse(b"The lamp was lit.", ".TXT").text == "The lamp was lit."
    assert children() == []
    assert not is_plain("Straße".encode("latin-1"), ".txt")  # the encoding is guessed by a library
    assert not is_plain(b"x" * 1_000_001, ".txt")
    assert not is_plain(b"# Lamps", ".md")


# -- what kills a parser -----------------------------------------------------------------------------------------------


def slow_sheet(rows: int) -> bytes:
    return b"a;b\n" + b"1;2\n" * rows


def test_what_takes_too_long_is_given_up_and_the_next_file_is_read() -> None:
    with Sandbox(Limits(), SandboxLimits(wall_s=0.4)) as sandbox:
        sandbox.parse(PAGE, ".html")
        skip = refused(sandbox, slow_sheet(400_000), ".csv")
        assert (skip.reason, skip.detail) == ("timeout", "not read in 0.4 seconds")
        assert children() == []
        assert "1925" in sandbox.parse(PAGE, ".html").text


def test_what_takes_too_much_computing_is_ended_by_the_kernel() -> None:
    with Sandbox(Limits(max_segments=10**7, max_rows=10**7), SandboxLimits(cpu_s=1)) as sandbox:
        skip = refused(sandbox, slow_sheet(2_000_000), ".csv")
    assert (skip.reason, skip.detail) == ("timeout", "not read in 1 seconds of computing")


def test_each_file_has_the_whole_time() -> None:
    """Limits of the kernel count from the start of a process; a long series of files must not run into them."""
    with Sandbox(Limits(), SandboxLimits(cpu_s=1)) as sandbox:
        for _ in range(5):
            sandbox.parse(slow_sheet(10_000), ".csv")
        assert len(children()) == 1


def test_what_takes_too_much_memory_is_refused_and_the_next_file_is_read() -> None:
    limits = Limits(max_segments=10**7, max_rows=10**7)
    with Sandbox(limits, SandboxLimits(memory_mb=160)) as sandbox:
        assert refused(sandbox, slow_sheet(800_000), ".csv").reason == "parser_limit"
        assert refused(sandbox, bytes(200_000_000), ".csv").reason == "parser_limit"  # it does not even go in
        assert "1925" in sandbox.parse(PAGE, ".html").text


# -- what a parser that was taken over can say -------------------------------------------------------------------------


def misbehaving(**limits: float) -> Sandbox:
    """Its process does what the bytes of a file tell it: see tests/index/misbehaving.py."""
    return Sandbox(Limits(max_text_chars=1_000), SandboxLimits(**limits), "tests.index.misbehaving")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("deed", "reason", "words"),
    [
        ("die SIGSEGV", "corrupt", "SIGSEGV"),
        ("die SIGABRT", "parser_limit", "1024 MB"),  # how native allocators give up
        ("die SIGKILL", "parser_limit", "1024 MB"),  # the kernel, out of memory
        ("die SIGXCPU", "timeout", "30 seconds"),
        ("exit", "corrupt", "exit code 7"),
        ("hang up", "corrupt", "hung up"),
        ("half a message", "corrupt", "without its end"),
        ("huge message", "corrupt", "the limit is"),
        ("no JSON", "corrupt", "makes no sense"),
        ("nested JSON", "corrupt", "makes no sense"),
        ("a lone surrogate", "corrupt", "not clean"),
        ("an unknown reason", "corrupt", "a reason that there is not"),
    ],
)
def test_a_process_that_dies_or_lies_costs_one_file(deed: str, reason: str, words: str) -> None:
    with misbehaving() as sandbox:
        assert sandbox.parse(b"text", ".html").text == "text"
        skip = refused(sandbox, deed.encode(), ".html")
        assert skip.reason == reason
        assert words in skip.detail
        assert sandbox.parse(b"text", ".html").text == "text"
    assert children() == []


def test_a_crash_is_believed_only_of_a_process_that_read_nothing_before() -> None:
    with misbehaving() as sandbox:
        sandbox.parse(b"text", ".html")
        assert sandbox.parse(b"die unless first", ".html").text == "die unless first"


def test_a_process_that_hangs_is_killed() -> None:
    with misbehaving(wall_s=0.3) as sandbox:
        assert refused(sandbox, b"hang", ".html").reason == "timeout"
    assert children() == []


def test_a_process_that_does_not_start_ends_the_build_with_what_it_said() -> None:
    missing = Sandbox(Limits(), SandboxLimits(), "index.parse.no_such_module")
    with missing as sandbox, pytest.raises(BuildFailed, match="no_such_module"):
        sandbox.parse(PAGE, ".html")
    assert children() == []


# -- what the process cannot do ----------------------------------------------------------------------------------------

_ESCAPES = r"""
import ctypes, os, sys
from index.parse.confine import confine
libc = ctypes.CDLL(None, use_errno=True)
layers = confine(512)
def tried(name, deed):
    try:
        done = deed()
    except (OSError, MemoryError, RuntimeError) as error:
        done = -1
    sys.stderr.write(f"{name}: {'refused' if done == -1 else 'DONE'}\n")
here = sys.argv[1].encode()
tried("native socket", lambda: libc.socket(2, 1, 0))
tried("socket", lambda: __import__("socket").socket())
tried("native writing", lambda: libc.open(here + b"/new.txt", os.O_CREAT | os.O_WRONLY, 0o600))
tried("writing", lambda: open(here + b"/new.txt", "wb"))
tried("changing", lambda: open(here + b"/old.txt", "ab"))
tried("deleting", lambda: os.unlink(here + b"/old.txt"))
tried("renaming", lambda: os.rename(here + b"/old.txt", here + b"/other.txt"))
tried("a folder", lambda: os.mkdir(here + b"/folder"))
tried("native fork", lambda: libc.fork())
tried("thread", lambda: __import__("threading").Thread(target=print).start())
tried("program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
tried("native program", lambda: libc.execve(b"/bin/true", None, None))
tried("signal", lambda: libc.kill(os.getppid(), 0))
tried("the parent's limits", lambda: libc.prlimit(os.getppid(), 7, None, ctypes.create_string_buffer(16)))
tried("memory", lambda: bytearray(600_000_000))
tried("reading", lambda: open(here + b"/old.txt", "rb").read())
"""


def test_a_confined_process_reaches_nothing_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    run = subprocess.run(
        [sys.executable, "-c", _ESCAPES, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    outcomes = dict(line.split(": ") for line in run.stderr.splitlines())
    assert outcomes.pop("reading") == "DONE"  # null control: the attempts are made
    assert set(outcomes.values()) == {"refused"} and len(outcomes) == 15, outcomes
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_the_process_is_given_no_secret(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("FOOTNOTE_SECRET", "canary")
    sandbox.parse(PAGE, ".html")
    (pid,) = children()
    assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_build_in_a_child_parses_in_a_child_of_its_own_and_leaves_none(empty_shelf: Shelf) -> None:
    empty_shelf.write("lamps.html", PAGE)
    empty_shelf.write("nested.html", b"<div>" * 100_000)
    report = build_in_child(empty_shelf.options(), make_fake_encoder)
    assert (report.added, [skip.reason for skip in report.skipped]) == (("lamps.html",), ["parser_limit"])
    assert children() == []


_ORPHAN = """
import os, sys, time
from index.parse import Limits
from index.parse.sandbox import Sandbox, SandboxLimits
sandbox = Sandbox(Limits(), SandboxLimits())
sandbox.parse(b"<p>words</p>", ".html")
print(open(f"/proc/self/task/{os.getpid()}/children").read(), flush=True)
time.sleep(60)
"""


def test_the_process_ends_with_the_one_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", _ORPHAN], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.01)


# -- messages ----------------------------------------------------------------------------------------------------------

_PARSED = Parsed(
    "Lamps\n\nLit.",
    (Segment(0, 5, "heading", Place(("Lamps",), page=1)), Segment(7, 11, "row", Place(("Lamps",), sheet="A", row=3))),
    "Lamps",
    ("a note",),
)


def test_what_is_sent_is_what_comes() -> None:
    assert decode(encode(_PARSED)) == _PARSED
    refusal = Refusal("timeout", "slow", exhausted=True)
    assert decode(encode(refusal)) == refusal


def test_every_cut_of_a_message_is_noticed() -> None:
    message = framed(encode(_PARSED))
    for cut in range(1, len(message)):
        with pytest.raises(BrokenMessage, match="without its end"):
            read_frame(BytesIO(message[:cut]).read, 1_000)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"[0,5,", b"[0,50,"),
        (b"[0,5,", b"[5,5,"),
        (b"[7,11,", b"[4,11,"),
        (b"[0,5,", b"[-1,5,"),
        (b"[0,5,", b"[0.0,5,"),
        (b'"heading",0]', b'"poem",0]'),
        (b'"heading",0]', b'"heading",9]'),
        (b'"heading",0]', b'"heading",-1]'),
        (b"Lit.", b"L\\u0000t"),
        (b"Lit.", b"\\ud800t."),
        (b'"a note"', b"17"),
        (b'"A",3', b'3,"A"'),
        (b'[["Lamps"],1', b'["Lamps",1'),
        (b'"title"', b'"subject"'),
        (b'{"text"', b'["text"'),
    ],
)
def test_a_message_that_is_no_parsed_text_is_refused(old: bytes, new: bytes) -> None:
    message = encode(_PARSED)
    assert old in message
    with pytest.raises(BrokenMessage):
        decode(message.replace(old, new))


# Root whose capabilities the kernel does not take away.
_STILL_ROOT = """
import ctypes, os
from index.parse import confine

class Libc:
    def __init__(self):
        self._real = ctypes_cdll(None)
    def capset(self, header, data):
        return -1
    def __getattr__(self, name):
        return getattr(self._real, name)

ctypes_cdll, ctypes.CDLL = ctypes.CDLL, lambda name: Libc()
os.geteuid = lambda: 0
print(confine.confine(2_048))
"""


def test_rules_are_not_named_where_root_keeps_what_gets_round_them() -> None:
    layers = subprocess.run([sys.executable, "-c", _STILL_ROOT], capture_output=True, text=True, check=True).stdout
    assert layers.startswith("limits") and "landlock" not in layers
