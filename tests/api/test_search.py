from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from index.tokens import count_tokens
from tests.api.conftest import assert_problem
from tests.conftest import HARBOUR


def search(client: TestClient, query: str = "harbour lighthouse ferry", **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/search", json={"query": query, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    assert response.headers["Footnote-Generation"] == body["generation"]
    return body


def test_ranked_passages_with_their_places_and_scores(client: TestClient) -> None:
    found = search(client, "When was the harbour opened?")
    assert (found["generation"], found["query"], found["tokens"]) == ("000001", "When was the harbour opened?", None)
    best = found["passages"][0]
    assert best["source"] == "harbour.txt"
    assert best["text"] == HARBOUR[best["start_char"] : best["end_char"]]
    assert set(best["signals"]) == {"dense", "sentence", "coverage", "lexical"}
    scores = [passage["score"] for passage in found["passages"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_k_bounds_the_passages(client: TestClient) -> None:
    everything = search(client)["passages"]
    assert len(everything) == 3
    assert search(client, k=2)["passages"] == everything[:2]


def test_a_budget_of_tokens_is_kept_and_the_counts_add_up(client: TestClient) -> None:
    everything = search(client, max_tokens=1_000_000)
    costs = [passage["tokens"] for passage in everything["passages"]]
    assert costs == [count_tokens(passage["text"]) for passage in everything["passages"]]
    assert everything["tokens"] == sum(costs)
    for budget in range(1, sum(costs) + 2):
        found = search(client, max_tokens=budget)
        kept = len(found["passages"])
        assert found["tokens"] == sum(costs[:kept]) <= budget
        assert found["passages"] == everything["passages"][:kept]
        assert kept == len(costs) or sum(costs[: kept + 1]) > budget  # no shorter than it need be


def test_among_the_documents_named(client: TestClient) -> None:
    (passage,) = search(client, documents=["emoji.md", "atlantis.txt"])["passages"]
    assert passage["source"] == "emoji.md"
    (same,) = search(client, documents=[passage["document_id"]])["passages"]
    assert same == passage


def test_none_of_the_documents_named_is_indexed(client: TestClient) -> None:
    response = client.post("/v1/search", json={"query": "harbour", "documents": ["atlantis.txt"]})
    assert_problem(response, 404, "Not found")


@pytest.mark.parametrize("query", ["?!", "🚢", "\0", 'AND ( " * :', "the of and", "harbour " * 900])
def test_odd_queries_find_something_or_nothing(client: TestClient, query: str) -> None:
    assert search(client, query)["query"] == query
