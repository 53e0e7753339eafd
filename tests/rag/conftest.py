"""The port of tests/rag/port.py, indexed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import World
from tests.rag.port import fill


@pytest.fixture
def port(make_world: Callable[..., World], tmp_path: Path) -> World:
    world = make_world(fill(tmp_path / "port"))
    world.build()
    return world
