from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.api.conftest import Connect
from tests.conftest import World


def samples(client: TestClient, name: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by the values of its labels."""
    response = client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.name == name
    }


def test_without_an_index_it_lives_and_is_not_ready(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    world = make_world(folder)
    client = connect(world.footnote)
    assert client.get("/livez").json()["status"] == "ok"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not_ready", "generation": "", "detail": "Nothing is indexed yet"}
    world.build()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "generation": "000001", "detail": ""}


def test_with_the_index_thrown_away_it_goes_on_with_what_it_has_and_says_so(client: TestClient, world: World) -> None:
    assert client.get("/readyz").json()["status"] == "ok"
    (world.data / "CURRENT").unlink()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["generation"]) == ("degraded", "000001")
    assert response.json()["detail"]
    world.build()
    assert client.get("/readyz").json()["status"] == "ok"


def test_when_it_stops_it_is_not_ready(world: World, connect: Connect) -> None:
    client = connect(world.footnote)
    client.app.state.footnote.stopping = True  # type: ignore[attr-defined] # as the end of the application's life does
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "stopping")
    assert client.get("/livez").status_code == 200


def test_answers_are_counted(client: TestClient, world: World) -> None:
    client.post("/v1/ask", json={"question": "When was the harbour opened?"})
    client.post("/v1/ask", json={"question": "When was the harbour opened?", "stream": True})
    client.post("/v1/ask", json={"question": "Who was crowned king of Sweden?"})
    assert samples(client, "footnote_answers_total") == {
        ("000001", "extractive", "answered"): 2.0,
        ("000001", "extractive", "weak_evidence"): 1.0,
    }
    assert samples(client, "footnote_answer_seconds_count") == {(): 3.0}
    assert samples(client, "footnote_sentences_total") == {("000001", "supported"): 2.0}
    assert samples(client, "footnote_citations_total") == {("000001",): 2.0}
    assert samples(client, "footnote_citations_removed_total") == {("000001",): 0.0}
    assert samples(client, "footnote_citations_source_changed_total") == {("000001",): 0.0}
    (world.source / "harbour.txt").unlink()
    client.post("/v1/ask", json={"question": "When was the harbour opened?"})
    assert samples(client, "footnote_citations_source_changed_total") == {("000001",): 1.0}


def test_requests_are_counted_by_route_and_never_by_what_they_name(client: TestClient) -> None:
    for name in ("a", "b", "c"):
        client.get(f"/v1/documents/{name}")
        client.get(f"/{name}")
    counted = samples(client, "footnote_requests_total")
    assert counted["/v1/documents/{document_id}", "404"] == 3.0
    assert counted["other", "404"] == 3.0


def test_two_applications_count_apart(
    client: TestClient, make_world: Callable[..., World], connect: Connect, world: World
) -> None:
    client.post("/v1/ask", json={"question": "When was the harbour opened?"})
    assert samples(connect(make_world(world.source, world.data).footnote), "footnote_answers_total") == {}
