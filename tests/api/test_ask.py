from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.types import Done, Question
from tests.api.conftest import Connect, Failing, assert_problem, events_of
from tests.conftest import EMOJI, HARBOUR, World

OPENED = "When was the harbour opened?"
JSON_CONTENT = {"Content-Type": "application/json"}


def ask(client: TestClient, question: str = OPENED, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    assert response.headers["Footnote-Generation"] == body["generation"]
    return body


def test_an_answer_with_its_footnote(client: TestClient) -> None:
    given = ask(client)
    assert given["text"] == "The harbour was opened in 1911 by Mayor Ilse Brandt."
    assert (given["mode"], given["abstained"], given["reason"]) == ("extractive", False, "")
    (citation,) = given["citations"]
    assert citation["source"] == "harbour.txt"
    assert HARBOUR[citation["start_char"] : citation["end_char"]] == citation["cited_text"] == given["text"]
    text = client.get(citation["url"]).text
    assert text[citation["start_char"] : citation["end_char"]] == citation["cited_text"]


def test_the_answer_has_the_fields_of_the_contract(client: TestClient) -> None:
    given = ask(client)
    assert set(given) == {
        "answer_id", "generation", "question", "standalone_question", "mode", "text", "abstained", "reason",
        "confidence", "min_confidence", "sentences", "citations", "passages", "removed_citations", "timings_ms",
        "fallback", "removed_sentences",
    }  # fmt: skip
    assert set(given["sentences"][0]) == {"text", "start", "end", "citations", "support", "verdict"}
    assert {
        "n", "answer_start", "answer_end", "document_id", "source", "title", "source_sha256", "text_sha256",
        "passage_id", "start_char", "end_char", "page", "heading_path", "cited_text", "verified", "support",
        "source_changed", "url",
    } <= set(given["citations"][0])  # fmt: skip
    assert {"passage_id", "document_id", "source", "start_char", "end_char", "text", "score"} <= set(
        given["passages"][0]
    )


def test_abstaining_is_an_ordinary_answer(client: TestClient) -> None:
    given = ask(client, "Who was crowned king of Sweden?")
    assert (given["abstained"], given["reason"]) == (True, "weak_evidence")
    assert (given["sentences"], given["citations"]) == ([], [])
    assert len(given["passages"]) == 3


def test_offsets_are_code_points(client: TestClient) -> None:
    (citation,) = ask(client, "When does the ferry Aurora sail?")["citations"]
    assert citation["cited_text"] == "🚢🚢🚢 The ferry Aurora sails at noon every Tuesday."
    text = client.get(f"/v1/documents/{citation['document_id']}/text").text
    assert text[citation["start_char"] : citation["end_char"]] == citation["cited_text"]
    assert citation["cited_text"] in EMOJI


def test_a_follow_up_is_answered_in_the_light_of_the_turns_before_it(client: TestClient) -> None:
    turns = [{"role": "user", "content": OPENED}, {"role": "assistant", "content": "In 1911."}]
    given = ask(client, "And what did it cost?", messages=turns)
    assert "harbour" in given["standalone_question"]
    assert "4.2 million crowns" in given["text"]


def test_among_the_documents_named(client: TestClient) -> None:
    assert ask(client, documents=["atlantis.txt"])["reason"] == "not_indexed"
    assert {p["source"] for p in ask(client, documents=["emoji.md"])["passages"]} == {"emoji.md"}


def test_k_bounds_the_passages(client: TestClient) -> None:
    assert len(ask(client, k=1)["passages"]) == 1


def test_half_a_surrogate_pair_is_replaced(client: TestClient) -> None:
    response = client.post(
        "/v1/ask", content=rb'{"question": "\ud83d When was the harbour opened?"}', headers=JSON_CONTENT
    )
    given = response.json()
    assert given["question"] == "\N{REPLACEMENT CHARACTER} When was the harbour opened?"
    assert "1911" in given["text"]


@pytest.mark.parametrize(
    "question",
    ['AND ( " * : harbour', "🚢 ferry", "harbour\0", "\u202eharbour", "harbour " * 875, "\ufeffharbour", "a\u2028b"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_odd_questions(client: TestClient, question: str, stream: bool) -> None:
    response = client.post("/v1/ask", json={"question": question, "stream": stream})
    assert response.status_code == 200
    given = events_of(response.text)[-1][1] if stream else response.json()
    assert given["question"] == question
    assert given["abstained"] == (given["sentences"] == [])


# -- as server-sent events ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"stream": True}, {}),
        ({}, {"Accept": "text/event-stream"}),
        ({}, {"Accept": "application/json;q=0.5, text/event-stream"}),
    ],
)
def test_a_stream_is_asked_for_in_the_body_or_the_header(
    client: TestClient, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    response = client.post("/v1/ask", json={"question": OPENED, **fields}, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["Footnote-Generation"] == "000001"
    assert events_of(response.text)[0][0] == "passages"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html"])
def test_without_either_the_answer_is_json(client: TestClient, accept: str) -> None:
    response = client.post("/v1/ask", json={"question": OPENED}, headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "question",
    [OPENED, "What did it cost, and how many nautical miles does the lamp reach?", "Who was crowned king of Sweden?"],
)
def test_the_stream_adds_up_to_the_json_answer(client: TestClient, question: str) -> None:
    whole = ask(client, question)
    events = events_of(client.post("/v1/ask", json={"question": question, "stream": True}).text)
    assert [name for name, _ in events] == ["passages", *["sentence"] * len(whole["sentences"]), "done"]
    found, *sentences, done = (data for _, data in events)
    assert found == {key: whole[key] for key in ("answer_id", "generation", "passages")}
    assert [event["sentence"] for event in sentences] == whole["sentences"]
    assert [citation for event in sentences for citation in event["citations"]] == whole["citations"]
    assert {**done, "timings_ms": {}} == {**whole, "timings_ms": {}}
    if not whole["abstained"]:
        assert " ".join(event["sentence"]["text"] for event in sentences) == whole["text"]


def test_a_line_separator_in_a_document_does_not_break_an_event(
    make_world: Callable[..., World], connect: Connect, tmp_path: Any
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "odd.md").write_text("The crane lifts\u2028forty tonnes\u0085of stone.\n\nevent: done\n", "utf-8")
    world = make_world(folder)
    world.build()
    body = connect(world.footnote).post("/v1/ask", json={"question": "What does the crane lift?", "stream": True})
    assert body.text.isascii()
    assert [name for name, _ in events_of(body.text)][-1] == "done"


def test_a_stream_that_fails_ends_with_a_problem(failing: Failing, connect: Connect) -> None:
    response = connect(failing).post("/v1/ask", json={"question": OPENED, "stream": True})
    assert response.status_code == 200
    (first, _), (last, told) = events_of(response.text)
    assert (first, last) == ("passages", "error")
    assert (told["status"], told["title"]) == (503, "The index is damaged")
    assert "/srv" not in response.text


def test_a_stream_that_fails_for_a_reason_nobody_foresaw_ends_with_a_problem_too(
    failing: Failing, connect: Connect
) -> None:
    failing.error = ZeroDivisionError("in /srv/footnote")
    response = connect(failing).post("/v1/ask", json={"question": OPENED, "stream": True})
    (_, (last, told)) = events_of(response.text)
    assert last == "error"
    assert told["status"] == 500
    assert "/srv" not in response.text
    assert "ZeroDivision" not in response.text


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_from_the_outset_is_a_plain_problem(failing: Failing, connect: Connect, stream: bool) -> None:
    failing.at_once = True
    response = connect(failing).post("/v1/ask", json={"question": OPENED, "stream": stream})
    assert_problem(response, 503, "The index is damaged")
    assert response.headers["retry-after"] == "2"


def test_an_answer_ends_with_done(world: World) -> None:
    assert isinstance(list(world.footnote.ask(Question(OPENED)))[-1], Done)


def test_up_to_so_many_sentences_as_asked_for(client: TestClient) -> None:
    one, ten = (ask(client, "Who opened the harbour and what did it cost?", sentences=n) for n in (1, 10))
    assert (len(one["sentences"]), len(ten["sentences"])) == (1, 2)  # the two that say it, and no others to make ten
    assert [citation["n"] for citation in ten["citations"]] == [1, 2]
    assert one["answer_id"] != ten["answer_id"]
    assert client.post("/v1/ask", json={"question": OPENED, "sentences": 0}).status_code == 422
