"""The harness itself: it counts, it stops in time, it remembers, and a control that cannot fail is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns, Plan
from tests.faults.record import render


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
