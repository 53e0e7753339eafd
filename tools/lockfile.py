"""Reads the files of lock/: one version of each distribution, with the hash of every wheel that may be installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "lock"

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)")
_HEAD = re.compile(r"([A-Za-z0-9._-]+)(\[[A-Za-z0-9._, -]+\])?(===?)([^\s;=]+)(?:\s*;\s*(.+))?")


@dataclass(frozen=True, slots=True)
class Locked:
    """A distribution: what to call it, its one version, where it is wanted, and what its files may be."""

    name: str  # canonical: lower case, one dash between words
    version: str
    marker: str  # "" where it is wanted everywhere
    hashes: tuple[str, ...]  # SHA-256, hexadecimal, sorted
    extras: str = ""  # "[toml]"
    exact: bool = False  # written ===: 2.13.0+cpu is then another version than 2.13.0, which == takes it for

    def __str__(self) -> str:
        equals = "===" if self.exact else "=="
        head = f"{self.name}{self.extras}{equals}{self.version}" + (f" ; {self.marker}" if self.marker else "")
        return " \\\n".join([head, *(f"    --hash=sha256:{digest}" for digest in self.hashes)]) + "\n"


def canonical(name: str) -> str:
    """A name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> list[Locked]:
    """What a lock file says; ValueError for a line that could install something else."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        stated = line.strip()
        if not stated or stated.startswith("#"):
            continue
        head = _HEAD.fullmatch(_HASH.sub("", stated).strip())
        hashes = sorted(set(_HASH.findall(stated)))
        if head is None or not hashes:
            raise ValueError(f"a lock has a name, one version and hashes a line, not: {stated[:80]}")
        extras, marker = (head[2] or "").replace(" ", ""), (head[5] or "").strip()
        found.append(Locked(canonical(head[1]), head[4], marker, tuple(hashes), extras, head[3] == "==="))
    return found


def read(*names: str, folder: Path = LOCK) -> list[Locked]:
    """What the files of lock/ with these names say, all of them when none is named."""
    paths: Sequence[Path] = [folder / f"{name}.txt" for name in names] or sorted(folder.glob("*.txt"))
    return [locked for path in paths for locked in parse(path.read_text("utf-8"))]
