"""Writes lock/: the versions that constraints.txt pins, with all they need, and the SHA-256 of every wheel of each.

    make lock    # after a change to pyproject.toml or constraints.txt

runtime.txt is what Footnote runs with, but for torch. torch-cpu.txt has the build without CUDA, torch.txt the one that
an index has, with the libraries that it wants on Linux; make installs the first where pip finds it. Every extra of
pyproject.toml has a file of what it adds. The versions fit every Python from 3.11 on, and every platform with wheels.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.lockfile import LOCK, ROOT, Locked, canonical, parse, read

# Torch, and what the build for Linux that an index has wants besides. Gigabytes, of which a CPU build wants nothing.
_TORCH = re.compile(r"torch|triton|(nvidia|cuda)-.+")
_HEAD = "# Made by make lock from pyproject.toml and constraints.txt. {what}\n"


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = list(project["project"]["optional-dependencies"])
    before = read("torch-cpu") if (LOCK / "torch-cpu.txt").exists() else []
    everything = _resolve([])
    build = _build_requirements(project)
    known = {canonical(name) for name in build}
    assert known <= {line.name for line in everything}, f"{build} must be pinned, or nothing can be built offline"
    torch = next(line for line in everything if line.name == "torch")
    _write("runtime", "What Footnote runs with, but for torch.", _apart(everything))
    # Exactly: to == a build +cpu is as good, and pip prefers it where an index does not say hashes, then refuses it.
    an_index_s = [replace(line, exact=line is torch) for line in everything if _TORCH.fullmatch(line.name)]
    _write("torch", "Torch as an index has it.", an_index_s)
    _write("torch-cpu", "Torch without CUDA, from where pip is told to look for it.", [_without_cuda(torch, before)])
    heads = {(line.name, line.version, line.marker) for line in everything}
    for extra in extras:
        added = [line for line in _resolve([extra]) if (line.name, line.version, line.marker) not in heads]
        _write(extra, f"What the extra {extra} adds.", _apart(added))
    return 0


def _apart(lines: Sequence[Locked]) -> list[Locked]:
    return [line for line in lines if not _TORCH.fullmatch(line.name)]


def _build_requirements(project: dict[str, Any]) -> list[str]:
    return [re.split(r"[=<>~! ;]", wanted)[0] for wanted in project["build-system"]["requires"]]


def _resolve(extras: Sequence[str]) -> list[Locked]:
    """Everything that Footnote with these extras and its build need, on any platform."""
    command = [
        "uv", "pip", "compile", "-q", "--universal", "--generate-hashes", "--no-header", "--no-annotate",
        "--no-strip-extras", "--only-binary", ":all:", "--python-version", "3.11", "-c", "constraints.txt",
        "pyproject.toml", "-",
    ]  # fmt: skip
    for extra in extras:
        command += ["--extra", extra]
    build = "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"])
    done = subprocess.run(command, cwd=ROOT, input=build, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return sorted(parse(done.stdout), key=lambda line: (line.name, line.marker))


def _without_cuda(torch: Locked, before: Sequence[Locked]) -> Locked:
    """The build that pip finds here, and those of the same version that were known before: each Python has its own.

    Named by its own version (+cpu): between two allowed files pip takes the index's, whose hash it knows beforehand.
    Where pip finds another +cpu, of another Python or platform, this file does not install and torch.txt is taken.
    """
    version = f"{torch.version}+cpu"
    known = {digest for line in before if line.version == version for digest in line.hashes}
    known |= _hash_of_pip_s_own(f"torch=={version}")
    if not known:
        sys.exit(f"pip finds no torch {version} here, and lock/torch-cpu.txt knows none")
    return replace(torch, version=version, hashes=tuple(sorted(known)))


def _hash_of_pip_s_own(wanted: str) -> set[str]:
    command = [
        sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--no-deps",
        "--only-binary", ":all:", "--report", "-", wanted,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return set()  # this machine's pip does not know it
    (found,) = (item["download_info"] for item in json.loads(done.stdout)["install"])
    url = urllib.parse.urlsplit(found["url"])
    if url.scheme == "file":
        path = Path(urllib.request.url2pathname(url.path))
        with path.open("rb") as file:
            return {hashlib.file_digest(file, "sha256").hexdigest()}
    return {found["archive_info"]["hashes"]["sha256"]}


def _write(name: str, what: str, lines: Sequence[Locked]) -> None:
    (LOCK / f"{name}.txt").write_text(_HEAD.format(what=what) + "".join(map(str, lines)), "utf-8")
    print(f"lock/{name}.txt: {len(lines)} distributions")


if __name__ == "__main__":
    sys.exit(main())
