"""Shares the time among the campaigns that run, and has the record tell of those that did not, or failed."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.faults.builders import Builders
from tests.faults.campaign import Campaigns, Minutes, Plan
from tests.faults.scene import Scene, make_scene
from tests.faults.servers import Town, make_town
from tests.faults.syscalls import why_not

_MINUTES = pytest.StashKey[Minutes | None]()
_RUN, _ROW = re.compile(r"\bcampaign[(,)]"), re.compile(r'"([A-Z]\d+)"')


def _source(item: pytest.Item) -> str:
    return inspect.getsource(item.function) if isinstance(item, pytest.Function) else ""


def _is_campaign(item: pytest.Item) -> bool:
    """Whether a test runs a campaign, or hands one on. A null control says campaign.control only, and is over soon."""
    return "campaign" in getattr(item, "fixturenames", ()) and bool(_RUN.search(_source(item)))


def _record() -> Path | None:
    record = os.environ.get("FOOTNOTE_FAULT_RECORD")
    return Path(record) if record else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Last of all: by then what -m and -k leave out has been left out."""
    minutes = float(os.environ.get("FOOTNOTE_FAULT_MINUTES", "0"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    campaigns = sum(map(_is_campaign, items))
    config.stash[_MINUTES] = Minutes(minutes * 60, campaigns, processes) if minutes else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A campaign or control that is skipped, or fails before or after its trials, is in the record as well."""
    report = yield
    if "campaign" in getattr(item, "fixturenames", ()) and (report.skipped or report.failed):
        row = _ROW.search(_source(item))
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else call.excinfo and call.excinfo.exconly()
        Plan(record=_record()).write(
            {
                "kind": "skipped" if report.skipped else "failed",
                "row": row[1] if row else "",
                "what": item.name,
                "reason": str(reason).removeprefix("Skipped: "),
            }
        )
    return report


@pytest.fixture(scope="session")
def large_town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Ten thousand documents, indexed: for releases, and for taking copies of."""
    return make_town(tmp_path_factory.mktemp("large"), 10_000)


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaigns:
    minutes = request.config.stash[_MINUTES]
    share = None if minutes is None else minutes.share() if _is_campaign(request.node) else 0.0
    return Campaigns(Plan(share, _record()))


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
