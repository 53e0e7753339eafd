"""How long campaigns go on is decided once, for all that were collected: each has the same share of the time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns, Plan
from tests.faults.servers import Town, make_town

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
