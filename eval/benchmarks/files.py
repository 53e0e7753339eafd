"""Reading the sets' files, and drawing from them the same way every time."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def json_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def sample(some: Sequence[T], most: int) -> list[T]:
    """``most`` of them at random (seed 0), or all when there are no more."""
    return random.Random(0).sample(list(some), min(most, len(some)))  # noqa: S311 - a draw of questions, not a secret


def write_documents(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Give ``folder`` these files, by path below it, and no other; files that are right stay untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    for found in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before the folder
        if found.is_dir():
            if not any(found.iterdir()):
                found.rmdir()
        elif found.relative_to(folder).as_posix() not in documents:
            found.unlink()
    for source, content in documents.items():
        path = folder / source
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
