"""How long campaigns go on is decided once, for all that were collected: each has the same share of the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.faults.builders import Builders
from tests.faults.campaign import Campaigns, Plan
from tests.faults.scene import Scene, make_scene
from tests.faults.servers import Town, make_town
from tests.faults.syscalls import why_not

_PLAN = pytest.StashKey[Plan]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    minutes = float(os.environ.get("FOOTNOTE_FAULT_MINUTES", "0"))
    record = os.environ.get("FOOTNOTE_FAULT_RECORD")
    campaigns = sum("campaign" in getattr(item, "fixturenames", ()) for item in items)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = minutes * 60 * processes / max(campaigns, 1) if minutes else None
    config.stash[_PLAN] = Plan(share, Path(record) if record else None)


@pytest.fixture(scope="session")
def large_town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Ten thousand documents, indexed: for releases, and for taking copies of."""
    return make_town(tmp_path_factory.mktemp("large"), 10_000)


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaigns:
    return Campaigns(request.config.stash[_PLAN])


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nothing is logged."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


def _drop(*_: object) -> Any:
    raise structlog.DropEvent


@pytest.fixture(scope="session")
def builders() -> Iterator[Builders]:
    """Starts builds in processes of their own."""
    with Builders() as started:
        yield started


@pytest.fixture
def scenes(builders: Builders, tmp_path: Path) -> Callable[[str], Scene]:
    """Makes the stage on which builds are killed; skips where their calls cannot be watched."""
    if reason := why_not():
        pytest.skip(reason)
    return lambda how: make_scene(tmp_path, builders, how)
