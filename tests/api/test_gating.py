"""A suite before publishing: a new index that answers worse stays staged, and the old one goes on serving."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from index.errors import CorruptGeneration, IncompatibleIndex, NotFound
from index.types import GateOutcome
from rag.answer import final
from rag.types import Question
from tests.api.conftest import Connect
from tests.api.towns import bells, suite_about, write_towns
from tests.conftest import World
from tests.fakes import FakeEncoder

BELLS = "How many bells has the tower of Lund?"


@pytest.fixture
def gated(make_world: Callable[..., World], tmp_path: Path) -> World:
    """Twelve towns behind a suite that asks for the bells of each, indexed as generation 000001."""
    write_towns(tmp_path / "towns")
    towns = make_world(tmp_path / "towns", gate_suite=str(tmp_path / "suite"))
    suite_about(towns, tmp_path / "suite")
    with (tmp_path / "suite" / "suite.toml").open("a") as file:
        file.write('[gates]\n"answer_correct" = ">= 1.0"\n"citation_exact" = ">= 1.0"\n')
    assert towns.build().published
    return towns


def outcome(world: World) -> GateOutcome:
    report = world.build()
    assert report.gate is not None
    assert report.published is report.gate.passed
    return report.gate


def says(world: World, question: str = BELLS) -> str:
    return final(world.footnote.ask(Question(question))).text


def rebuilt(client: TestClient) -> dict[str, Any]:
    """The job of a rebuild, when it has ended."""
    job: dict[str, Any] = client.post("/v1/index/rebuild").json()
    deadline = time.monotonic() + 30
    while job["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
        job = client.get(f"/v1/index/jobs/{job['job_id']}").json()
    return job


def rewrite(world: World, old: str, new: str, name: str = "Lund.txt") -> None:
    path = world.source / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_change_that_breaks_no_case_is_published(gated: World) -> None:
    rewrite(gated, "designed by Ilse Brandt", "drawn by Ilse Brandt")
    assert outcome(gated) == GateOutcome("towns", passed=True)
    assert gated.footnote.describe()["generation"] == "000002"


def test_one_that_breaks_a_case_stays_staged_and_the_old_one_serves(gated: World) -> None:
    before = says(gated)
    rewrite(gated, "has 30 old bells of bronze", "was pulled down, bells and all")
    found = outcome(gated)
    assert not found.passed
    assert any("bells-Lund" in reason for reason in found.reasons)  # its evidence is in the documents no more
    assert says(gated) == before == bells(0)
    assert gated.footnote.library.layout.names() == ["000001"]


def test_the_failed_cases_are_named_with_what_they_were_before_and_why(gated: World, tmp_path: Path) -> None:
    cases = [json.loads(line) for line in (tmp_path / "suite" / "cases.jsonl").read_text().splitlines()]
    for case in cases:
        case.pop("evidence", None)
    (tmp_path / "suite" / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    rewrite(gated, "has 30 old bells", "has 31 old bells")
    found = outcome(gated)
    assert [(case.id, case.passed_before, case.documents_changed) for case in found.failed] == [
        ("bells-Lund", True, True)
    ]
    assert found.reasons and "answer_correct" in found.reasons[0]
    report = json.loads(gated.footnote.layout.report.read_text())
    assert (report["published"], report["generation"], report["gate"]["failed"][0]["id"]) == (
        False,
        "000001",
        "bells-Lund",
    )


def test_mending_the_document_publishes_and_embeds_nothing_twice(gated: World) -> None:
    rewrite(gated, "has 30 old bells of bronze", "was pulled down, bells and all")
    assert not outcome(gated).passed
    embedded = len(gated.encoder.encoded)
    rewrite(gated, "was pulled down, bells and all", "has 30 old bells of bronze")
    rewrite(gated, "The opera was closed", "The old opera was closed", "York.txt")
    assert outcome(gated).passed
    assert len(gated.encoder.encoded) == embedded + 1  # York's one passage; Lund is what it was
    with pytest.raises(NotFound):  # what was held back is out of date
        gated.footnote.accept()


def test_a_change_that_was_taken_back_cannot_be_published_any_more(gated: World) -> None:
    rewrite(gated, "has 30 old bells of bronze", "was pulled down, bells and all")
    assert not outcome(gated).passed
    rewrite(gated, "was pulled down, bells and all", "has 30 old bells of bronze")
    assert gated.build().published is False
    with pytest.raises(NotFound):
        gated.footnote.accept()


def test_what_is_held_back_can_be_published_all_the_same(gated: World) -> None:
    rewrite(gated, "has 30 old bells", "has 31 old bells")
    assert not outcome(gated).passed
    assert gated.footnote.accept() == "000002"
    assert "31 old bells" in says(gated)
    assert gated.footnote.roll_back() == "000001"
    with pytest.raises(NotFound, match="No generation is held back"):
        gated.footnote.accept()


def test_a_damaged_one_is_not_accepted(gated: World) -> None:
    rewrite(gated, "has 30 old bells", "has 31 old bells")
    assert not outcome(gated).passed
    held = gated.footnote.layout.held / "vectors.faiss"
    held.write_bytes(held.read_bytes()[:-1] + b"\0")
    with pytest.raises(CorruptGeneration):
        gated.footnote.accept()
    assert says(gated) == bells(0)


def test_a_suite_without_gates_passes_when_every_case_does(make_world: Callable[..., World], tmp_path: Path) -> None:
    write_towns(tmp_path / "towns")
    towns = make_world(tmp_path / "towns", gate_suite=str(tmp_path / "suite"))
    suite_about(towns, tmp_path / "suite")
    assert towns.build().published
    rewrite(towns, "has 30 old bells", "has very old bells")
    assert not outcome(towns).passed


def test_a_suite_that_cannot_be_read_stops_the_build_and_nothing_is_lost(
    gated: World, tmp_path: Path, connect: Connect
) -> None:
    (tmp_path / "suite" / "cases.jsonl").write_text("{")
    rewrite(gated, "designed by", "drawn by")
    client = connect(gated.footnote)
    job = rebuilt(client)
    assert job["state"] == "failed"
    assert "suite" in job["error"]["detail"].lower() + job["error"]["title"].lower()
    assert says(gated) == bells(0)


def test_a_job_says_which_cases_failed(gated: World, connect: Connect) -> None:
    rewrite(gated, "has 30 old bells of bronze", "was pulled down, bells and all")
    client = connect(gated.footnote)
    job = rebuilt(client)
    assert (job["state"], job["generation"]) == ("done", "000001")
    assert job["report"]["gate"]["passed"] is False
    assert any("bells-Lund" in reason for reason in job["report"]["gate"]["reasons"])
    told = client.get("/v1/index")
    assert told.json()["last_report"]["gate"]["passed"] is False
    assert str(gated.source) not in told.text + json.dumps(job)


def test_an_index_of_another_runtime_is_made_anew_though_it_can_not_be_asked_before(
    gated: World, make_world: Callable[..., World]
) -> None:
    settings = {"gate_suite": gated.footnote.settings.gate_suite}
    later = make_world(gated.source, gated.data, FakeEncoder(window=41), **settings)
    with pytest.raises(IncompatibleIndex, match="footnote index"):
        says(later)
    assert outcome(later) == GateOutcome("towns", passed=True)
    assert "bells" in says(later)
