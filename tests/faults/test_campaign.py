"""The harness itself: it counts, it stops in time, it remembers, and a control that cannot fail is an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns, Minutes, Plan
from tests.faults.record import ROOT, render


def test_on_a_push_the_small_count_is_tried() -> None:
    with Campaigns(Plan())("R0", "nothing", push=3, release=1000) as trials:
        assert list(trials) == [0, 1, 2]


def test_for_a_release_the_large_count_is_tried_while_there_is_time() -> None:
    with Campaigns(Plan(share_s=60))("R0", "nothing", push=3, release=10) as trials:
        assert len(list(trials)) == 10
    with Campaigns(Plan(share_s=0))("R0", "nothing", push=3, release=10) as trials:
        assert len(list(trials)) == 3


def test_a_campaign_that_was_not_run_is_an_error() -> None:
    with pytest.raises(AssertionError, match="tried 0 of 3"), Campaigns(Plan())("R0", "none", push=3, release=10):
        pass


def test_the_record_holds_what_failed_as_well(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    campaign = Campaigns(Plan(share_s=60, record=record))
    with pytest.raises(RuntimeError), campaign("R12", "the third fails", push=3, release=10) as trials:
        for trial in trials:
            if trial == 2:
                raise RuntimeError
    campaign.control("R2", "the lock", failed=1, of=4)
    with pytest.raises(AssertionError, match="cannot fail"):
        campaign.control("R3", "the hash", failed=0, of=4)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(line["row"], line["ok"]) for line in lines] == [("R12", False), ("R2", True), ("R3", False)]
    page = render(lines, minutes=1, took=1, about={"commit": "abc", "date": "2026-01-01", "cores": "2"})
    assert "| R12 | the third fails | 2 | 10 | **no** |" in page
    assert "| R2 | the lock | 1 | 4 |" in page


def test_what_a_campaign_leaves_over_goes_to_those_that_follow() -> None:
    minutes = Minutes(600.0, campaigns=3)
    assert [round(minutes.share()) for _ in range(3)] == [200, 300, 600]
    minutes.begun -= 600
    assert minutes.share() == 0


def test_with_several_processes_something_is_left_for_a_campaign_taken_over() -> None:
    minutes = Minutes(600.0, campaigns=8, processes=2)
    assert [round(minutes.share()) for _ in range(5)] == [150, 200, 300, 300, 300]


_TESTS = """
import pytest
def test_first(campaign: object):
    with campaign("R1", "the first", push=1, release=10**9) as trials:
        assert 200 < trials.plan.share_s <= 300  # of ten minutes that two share
        next(iter(trials))
        trials.done += 1
def test_control(campaign: object):
    campaign.control("R1", "all", failed=1, of=1)
def test_second(campaign: object):
    with campaign("R2", "the second", push=1, release=10**9) as trials:
        assert trials.plan.share_s > 300
        trials.done += 1
    assert not trials.done, "afterwards"
@pytest.mark.alone
def test_another_time(campaign: object):
    with campaign("R3", "not here", push=1, release=2) as trials:
        list(trials)
def test_nowhere(campaign: object):
    pytest.skip("there is no | here")
    campaign.control("R4", "all", failed=1, of=1)
"""


def test_the_time_is_shared_by_what_runs_and_what_does_not_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    record = tmp_path / "record.jsonl"
    told = {"FOOTNOTE_FAULT_MINUTES": "10", "FOOTNOTE_FAULT_RECORD": str(record), "PYTHONPATH": str(ROOT)}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.faults.conftest"]
    ran = subprocess.run(
        [*command, "-m", "not alone"], cwd=tmp_path, env={**ours, **told}, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    found = [(line["kind"], line["row"], line.get("ok")) for line in lines]
    assert found == [
        ("campaign", "R1", True),
        ("control", "R1", True),
        ("campaign", "R2", True),
        ("failed", "R2", None),
        ("skipped", "R4", None),
    ], ran.stdout
    page = render(lines, minutes=10, took=1, about={"commit": "abc", "date": "2026-01-01", "cores": "2"})
    assert "| R4 | test_nowhere | there is no \\| here |" in page
    assert "| R2 | test_second | AssertionError: afterwards |" in page
