"""What a parser might try that a file has taken over, tried: nothing is written, started, reached or looked into.

The attempts are those of tests/faults/attempts.py. They are made as root and as a user without privileges, and on
machines that let nobody make namespaces, as many containers do not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import Campaigns

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-of-the-environment"

# Whoever starts the parsers, without the privileges that root has; a program it starts has none either.
_PLAIN = """
import subprocess, sys
from index.parse import confine
assert confine._prctl(confine._PR_SET_NO_NEW_PRIVS, 1)
confine._give_up_capabilities()
sys.exit(subprocess.run([sys.executable, "-m", "tests.faults.attempts", *sys.argv[1:]]).returncode)
"""


def tried(folder: Path, seed: int, without: str = "nothing", *, as_root: bool = False) -> dict[str, Any]:
    """The outcome of every attempt, each made once in ``folder``, which is as it was before."""
    folder.mkdir(exist_ok=True)
    (folder / "old.txt").write_text("old")
    (folder / "old.txt").chmod(0o600)
    before = looked_at(folder)
    program = ["-m", "tests.faults.attempts"] if as_root else ["-c", _PLAIN]
    environment = {**os.environ, "FOOTNOTE_LLM_API_KEY": CANARY}
    run = subprocess.run(
        [sys.executable, *program, str(folder), str(seed), without],
        cwd=ROOT, env=environment, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode("utf-8", "replace")[-2_000:]
    told: dict[str, Any] = json.loads(run.stdout)
    told["changed"] = before != looked_at(folder)
    return told


def looked_at(folder: Path) -> list[tuple[str, int, int]]:
    found = sorted((path.name, path.lstat()) for path in folder.iterdir())
    return [(name, status.st_mode, status.st_mtime_ns) for name, status in found]


def needs_every_layer(layers: str) -> None:
    for layer in ("landlock", "filter"):
        if layer not in layers:
            pytest.skip(f"the kernel here has no {layer}: parsers are confined by {layers}")


def test_nothing_that_a_parser_might_try_succeeds(campaign: Campaigns, tmp_path: Path) -> None:
    needs_every_layer(tried(tmp_path / "first", 0)["layers"])
    attempts = 0
    with campaign(
        "S15", "all that a parser taken over might try, in an order by chance", push=4, release=400
    ) as trials:
        for trial in trials:
            chance = random.Random(trial)
            as_root = os.geteuid() == 0 and trial % 2 == 1
            without = ("nothing", "namespaces")[trial // 2 % 2]
            told = tried(tmp_path / "folder", chance.randrange(1 << 30), without, as_root=as_root)
            assert without == "nothing" or "namespace" not in told["layers"]
            assert told["done"] == [], f"trial {trial}, without {without}, {'root' if as_root else 'no root'}"
            assert not told["changed"], f"trial {trial}"
            attempts += len(told["refused"])
        trials.note("attempts", attempts)


def test_a_parser_that_is_not_confined_does_nearly_all_of_it(campaign: Campaigns, tmp_path: Path) -> None:
    """The null control: the attempts are made, and would succeed."""
    try:
        told = tried(tmp_path / "folder", 1, "everything", as_root=True)
    finally:
        Path("/dev/shm/footnote-attempt").unlink(missing_ok=True)
    done = set(told["done"])
    campaign.control("S15", "the confinement", failed=len(done), of=len(done) + len(told["refused"]))
    assert told["changed"]
    assert {"a socket", "a new file", "a fork", "a program", "another's environment"} <= done
