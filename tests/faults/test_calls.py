"""Nothing that Footnote does leaves this machine, as the kernel sees it: every connection of every process is watched.

The probe of footnote doctor --offline blocks sockets within Python; strace also sees what a library does in C."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from index.types import Encoder
from tests.conftest import write_documents
from tests.endpoint import endpoint, says
from tests.environment import bare_environment
from tests.faults.calls import needs_strace, reached, run, traced
from tests.faults.campaign import Campaigns
from tests.faults.processes import Process, launched

_PATIENCE_S = 25  # what libraries have to tell, they tell after ten seconds
QUESTION = "When was the harbour opened?"
# Each route takes of it what it knows, or refuses it.
ANYTHING = {"question": QUESTION, "query": QUESTION, "messages": [{"role": "user", "content": QUESTION}]}
CASES = [
    {"id": "opened", "question": QUESTION, "answerable": True, "answers": ["1911"],
     "evidence": [{"source": "harbour.txt", "quote": "The harbour was opened in 1911 by Mayor Ilse Brandt."}]},
    {"id": "king", "question": "Who was crowned king of Sweden in Uppsala?", "answerable": False},
]  # fmt: skip


@dataclass
class Place:
    """A folder of three documents, where its index is kept, and the log of what was reached."""

    here: Path
    encoders: Path
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        return self.here / "calls.log"

    def footnote(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = run(self.log, [sys.executable, "-m", "api.cli", *arguments], self.environment, self.here)
        assert done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture
def place(tmp_path: Path, encoders: Path, real_encoder: Encoder) -> Place:
    write_documents(tmp_path / "documents")
    for data in (tmp_path / "data", tmp_path / "data" / "suites" / "tiny"):
        data.mkdir(parents=True)
        (data / "encoders").symlink_to(encoders)
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "suite.toml").write_text('name = "tiny"\nsource = "documents"\n')
    (tmp_path / "suite" / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in CASES))
    # What tells libraries to keep quiet on this machine is taken away: Footnote has to see to that itself.
    return Place(tmp_path, encoders, bare_environment())


def index(place: Place) -> None:
    place.footnote("index", "--source", "documents", "--data", "data")


def ask(place: Place) -> None:
    assert "1911" in place.footnote("ask", QUESTION, "--source", "documents", "--data", "data").stdout


def evaluate(place: Place) -> None:
    place.footnote("eval", "run", "suite", "--data", "data", "--json")


def linger(place: Place) -> None:
    """A process that has a model loaded and does nothing, for as long as a library may wait before it calls home."""
    (model,) = place.encoders.glob("*/model.onnx")
    code = (
        "import sys, time\nfrom hashlib import sha256\nfrom pathlib import Path\nfrom index.network import Network\n"
        f"path = Path(sys.argv[1])\nNetwork(path, sha256(path.read_bytes()).hexdigest())\ntime.sleep({_PATIENCE_S})\n"
    )
    assert run(place.log, [sys.executable, "-c", code, str(model)], place.environment, place.here).returncode == 0


def doctor(place: Place) -> None:
    place.footnote("doctor", "--offline", "--source", "documents", "--data", "data")


def export(place: Place) -> None:
    """The first start on a machine: the model is made ready for onnxruntime, by torch."""
    place.footnote("index", "--source", "documents", "--data", "fresh")
    assert list((place.here / "fresh" / "encoders").iterdir())


def write(place: Place) -> None:
    """With an LLM that the settings name, on this machine, which is asked and nothing else."""
    with endpoint(says("The harbour was opened in 1911 [1].")) as llm:
        place.environment |= {"FOOTNOTE_LLM_URL": llm.url, "FOOTNOTE_LLM_MODEL": "small"}
        ask(place)
        assert llm.requests
    assert "127.0.0.1" in place.log.read_text("utf-8"), "the call to the LLM was not seen"


def serve(place: Place) -> None:
    """The server, each of its routes once, and a rebuild."""
    command = [sys.executable, "-m", "api.cli", "serve", "--source", "documents", "--data", "data", "--port", "0"]
    before = traced(place.log, [])
    with launched(command, place.here / "out", before=before, environment=place.environment, cwd=place.here) as server:
        wait_until_ready(server)
        described = json.loads(urllib.request.urlopen(f"{server.url}/openapi.json", timeout=60).read())
        tried = 0
        for path, methods in described["paths"].items():
            for method in methods:
                body = None if method == "get" else ANYTHING
                call(server.url, method.upper(), path.replace("{", "").replace("}", ""), body)
                tried += 1
        assert tried > 10
        assert call(server.url, "POST", "/v1/index/rebuild", {}) in (200, 202, 409)
        time.sleep(_PATIENCE_S)
        server.stop()
        server.status()  # and what watched it has written all it saw


def wait_until_ready(server: Process) -> None:
    deadline = time.monotonic() + 120
    while call(server.url, "GET", "/readyz") != 200:
        assert server.running.poll() is None and time.monotonic() < deadline, server.said()
        time.sleep(0.1)


def call(url: str, method: str, path: str, body: object = None) -> int:
    request = urllib.request.Request(url + path, method=method)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, None if body is None else json.dumps(body).encode(), timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def readable_by_others(here: Path) -> Iterator[Path]:
    """What was left in the data folders that not only their owner may read (S16)."""
    made_here = {here / "data", here / "data" / "suites", here / "data" / "suites" / "tiny"}
    for path in (*(here / "data").rglob("*"), *(here / "fresh").rglob("*")):
        if path not in made_here and not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield path


STORIES: list[Callable[[Place], None]] = [index, ask, evaluate, linger, write, serve, doctor, export]


@needs_strace
@pytest.mark.model
def test_no_process_of_footnote_reaches_beyond_this_machine(campaign: Campaigns, place: Place) -> None:
    what = "index, ask, evaluate; then wait, write with an LLM, serve every route, doctor, a first start"
    with campaign("S17", what, push=3, release=len(STORIES)) as trials:
        for trial in trials:
            STORIES[trial](place)
            assert place.log.exists()
            assert list(reached(place.log)) == [], STORIES[trial].__name__
            assert list(readable_by_others(place.here)) == [], STORIES[trial].__name__
            place.log.unlink()


# Datagrams that are connected and not sent: the call is made, and not a byte leaves the machine.
_OUT = {
    "IPv4": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))",
    "IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(('2001:db8::1', 9))",
    "a child": "subprocess.run([sys.executable, '-c', 'import socket;"
    'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))\'])',
    "a thread": "threading.Thread(target=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    ".connect(('192.0.2.1', 9))).start()",
    "C": "ctypes.CDLL(None).connect(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno(),"
    " bytes([2, 0, 0, 9, 192, 0, 2, 1]) + bytes(8), 16)",
}


@needs_strace
def test_whatever_calls_out_is_seen(campaign: Campaigns, tmp_path: Path) -> None:
    seen = {}
    for name, code in _OUT.items():
        log = tmp_path / "calls.log"
        start = (
            "import contextlib, ctypes, socket, subprocess, sys, threading\nwith contextlib.suppress(OSError):\n    "
        )
        run(log, [sys.executable, "-c", start + code], os.environ, tmp_path)
        seen[name] = list(reached(log))
    assert seen == {name: ["2001:db8::1" if name == "IPv6" else "192.0.2.1"] for name in _OUT}
    campaign.control("S17", "a program that calls out, in five ways", failed=len(seen), of=len(_OUT))


@needs_strace
def test_calls_within_the_machine_are_not_counted(tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    code = (
        "import contextlib, socket\n"
        "for address in ('127.0.0.1', '127.8.8.8', '::1'):\n"
        "    with contextlib.suppress(OSError):\n"
        "        family = socket.AF_INET6 if ':' in address else socket.AF_INET\n"
        "        socket.socket(family, socket.SOCK_DGRAM).connect((address, 9))\n"
        "with contextlib.suppress(OSError):\n"
        "    socket.socket(socket.AF_UNIX).connect('nothing')\n"
    )
    run(log, [sys.executable, "-c", code], os.environ, tmp_path)
    assert log.read_text().count("connect(") >= 3
    assert list(reached(log)) == []
