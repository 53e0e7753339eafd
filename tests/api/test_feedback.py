from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from eval.cases import load_suite
from eval.errors import SuiteError
from eval.feedback import add_cases
from tests.api.conftest import Connect, assert_problem, events_of
from tests.conftest import World


def lines(world: World) -> list[dict[str, Any]]:
    """The file's lines; U+2028 ends none of them."""
    return [json.loads(line) for line in (world.data / "feedback.jsonl").read_bytes().split(b"\n")[:-1]]


@pytest.mark.parametrize("stream", [False, True])
def test_a_verdict_is_a_line_with_the_answer_it_is_about(client: TestClient, world: World, stream: bool) -> None:
    response = client.post("/v1/ask", json={"question": "When was the harbour opened?", "stream": stream})
    given = events_of(response.text)[-1][1] if stream else response.json()
    verdict = {"answer_id": given["answer_id"], "verdict": "down", "comment": "1911?\n🚢 \u2028 no"}
    assert client.post("/v1/feedback", json=verdict).json() == {"status": "received"}
    client.post("/v1/feedback", json={"answer_id": given["answer_id"], "verdict": "up"})
    first, second = lines(world)
    assert {key: first[key] for key in verdict} == verdict
    assert first["answer"] == given
    assert (second["verdict"], second["comment"]) == ("up", "")


def test_an_abstention_can_be_judged_too(client: TestClient, world: World) -> None:
    given = client.post("/v1/ask", json={"question": "Who was crowned king of Sweden?"}).json()
    client.post("/v1/feedback", json={"answer_id": given["answer_id"], "verdict": "up"})
    assert lines(world)[0]["answer"]["reason"] == "weak_evidence"


def test_an_answer_that_was_not_given_cannot_be_judged(client: TestClient, world: World) -> None:
    assert_problem(client.post("/v1/feedback", json={"answer_id": "0" * 20, "verdict": "up"}), 404, "Not found")
    assert not (world.data / "feedback.jsonl").exists()


def test_answers_are_forgotten_when_the_server_stops(
    client: TestClient, make_world: Callable[..., World], connect: Connect, world: World
) -> None:
    given = client.post("/v1/ask", json={"question": "When was the harbour opened?"}).json()
    another = connect(make_world(world.source, world.data).footnote)
    response = another.post("/v1/feedback", json={"answer_id": given["answer_id"], "verdict": "up"})
    assert_problem(response, 404, "Not found")


@pytest.mark.parametrize(
    "body",
    [{}, {"answer_id": "x"}, {"answer_id": "x", "verdict": "fine"}, {"answer_id": "x", "verdict": "up", "rating": 5},
     {"answer_id": "x" * 65, "verdict": "up"}, {"answer_id": "x", "verdict": "up", "comment": "x" * 4001}],
)  # fmt: skip
def test_what_is_not_a_verdict(client: TestClient, body: dict[str, Any]) -> None:
    assert_problem(client.post("/v1/feedback", json=body), 422, "The request is not valid")


# -- a thumbs-down becomes a case --------------------------------------------------------------------------------------


def suite(folder: Path, *cases: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "suite.toml").write_text('name = "mine"\nsource = "documents"\n')
    first = {"id": "one", "question": "When was the harbour opened?", "answerable": True, "answers": ["1911"]}
    (folder / "cases.jsonl").write_text(
        "\n".join(json.dumps(case) for case in (first, *cases))
    )  # no line feed at the end
    return folder


def judged(client: TestClient, question: str, verdict: str, comment: str = "") -> str:
    given = client.post("/v1/ask", json={"question": question}).json()
    client.post("/v1/feedback", json={"answer_id": given["answer_id"], "verdict": verdict, "comment": comment})
    return str(given["answer_id"])


def test_a_thumbs_down_becomes_a_case_that_waits_for_its_answer(
    client: TestClient, world: World, tmp_path: Path
) -> None:
    folder = suite(tmp_path / "mine")
    down = judged(client, "What did the harbour cost?", "down", "too long")
    judged(client, "When does the ferry Aurora sail?", "up")
    abstained = judged(client, "Who was crowned king of Sweden?", "down")
    added = add_cases(folder, world.data / "feedback.jsonl")
    assert [(case.id, comment) for case, comment in added] == [
        (f"feedback-{down}", "too long"),
        (f"feedback-{abstained}", ""),
    ]
    loaded = load_suite(folder, folder).cases
    assert [case.question for case in loaded[1:]] == ["What did the harbour cost?", "Who was crowned king of Sweden?"]
    assert [case.tags for case in loaded[1:]] == [
        ("feedback", "to-review"),
        ("feedback", "to-review"),
    ]
    assert [case.answerable for case in loaded[1:]] == [False, True]  # until somebody says better: both fail as it is


def test_nothing_is_added_twice_and_a_mind_may_be_changed(client: TestClient, world: World, tmp_path: Path) -> None:
    folder = suite(tmp_path / "mine")
    judged(client, "When was the harbour opened?", "down")  # the suite asks that already
    judged(client, "What did the harbour cost?", "down")
    judged(client, "What did the harbour cost?", "up")  # the same answer again
    assert add_cases(folder, world.data / "feedback.jsonl") == []
    judged(client, "When does the ferry Aurora sail?", "down")
    assert len(add_cases(folder, world.data / "feedback.jsonl")) == 1
    before = (folder / "cases.jsonl").read_bytes()
    assert add_cases(folder, world.data / "feedback.jsonl") == []
    assert (folder / "cases.jsonl").read_bytes() == before


def test_without_feedback_there_is_nothing_to_add_and_a_damaged_line_is_named(world: World, tmp_path: Path) -> None:
    folder = suite(tmp_path / "mine")
    assert add_cases(folder, world.data / "feedback.jsonl") == []
    (world.data / "feedback.jsonl").write_text('{"answer_id": "a"}\n')
    with pytest.raises(SuiteError, match="line 1"):
        add_cases(folder, world.data / "feedback.jsonl")
