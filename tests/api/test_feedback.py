from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

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
