"""Reading the sets' files, and drawing from them the same way every time."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def json_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def sample(some: Sequence[T], most: int) -> list[T]:
    """``most`` of them at random (seed 0), or all when there are no more."""
    return random.Random(0).sample(list(some), min(most, len(some)))  # noqa: S311 - a draw of questions, not a secret
