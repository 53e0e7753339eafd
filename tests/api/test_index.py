from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from index.types import EncodedPassage
from tests.api.conftest import Connect, assert_problem
from tests.conftest import World
from tests.fakes import FakeEncoder

OPENED = "When was the harbour opened?"


class HeldEncoder(FakeEncoder):
    """Embeds when it is told to, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.fails = False

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        assert self.go.wait(10)
        if self.fails:
            raise ZeroDivisionError("in /srv/footnote")
        return super().encode_passage(text, sentences)


@pytest.fixture
def held(make_world: Callable[..., World], folder: Path) -> World:
    encoder = HeldEncoder()
    encoder.go.set()
    world = make_world(folder, encoder=encoder)
    world.build()
    return world


def finished(client: TestClient, job_id: str) -> dict[str, Any]:
    """The job when it runs no more."""
    deadline = time.monotonic() + 10
    while True:
        job: dict[str, Any] = client.get(f"/v1/index/jobs/{job_id}").json()
        if job["state"] != "running":
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.01)


def answer(client: TestClient) -> dict[str, Any]:
    body: dict[str, Any] = client.post("/v1/ask", json={"question": OPENED}).json()
    return body


# -- status ------------------------------------------------------------------------------------------------------------


def test_what_is_served(client: TestClient) -> None:
    response = client.get("/v1/index")
    body = response.json()
    assert response.headers["Footnote-Generation"] == body["generation"] == "000001"
    assert (body["documents"], body["passages"], body["sentences"]) == (3, 3, 7)
    assert (body["encoder"]["name"], body["encoder"]["window"]) == ("fake", 40)
    assert (body["source_changed"], body["degraded"], body["job"]) == (False, "", None)
    assert body["last_report"]["added"] == ["emoji.md", "harbour.txt", "hostile.html"]
    assert 0 <= body["age_s"] < 60


def test_the_status_tells_that_the_folder_has_changed(client: TestClient, world: World) -> None:
    def changed() -> bool | None:
        found: bool | None = client.get("/v1/index").json()["source_changed"]
        return found

    (world.source / "new.txt").write_text("A new quay was built in 1999.")
    assert changed() is True
    world.build()
    assert changed() is False
    (world.source / "new.txt").write_text("A new quay was built in 2000.")
    assert changed() is True
    (world.source / "new.txt").unlink()
    assert changed() is True
    world.build()
    assert changed() is False
    (world.source / "photo.jpg").write_bytes(b"no document")  # is left out, and so changes nothing
    assert changed() is False
    world.source.rename(world.source.with_name("elsewhere"))
    assert changed() is None


def test_a_damaged_generation_is_not_served_and_the_status_says_so(
    make_world: Callable[..., World], connect: Connect, world: World
) -> None:
    (world.source / "new.txt").write_text("A new quay was built in 1999.")
    world.build()
    (world.data / "generations" / "000002" / "vectors.faiss").write_bytes(b"flipped")
    client = connect(make_world(world.source, world.data).footnote)
    body = client.get("/v1/index").json()
    assert body["generation"] == "000001"
    assert body["degraded"] == "vectors.faiss of generation 000002 is damaged."
    assert client.get("/readyz").json()["status"] == "degraded"
    assert "footnote_corrupt_generations 1.0" in client.get("/metrics").text
    assert answer(client)["generation"] == "000001"


# -- rebuild -----------------------------------------------------------------------------------------------------------


def test_a_rebuild_from_start_to_end(held: World, connect: Connect) -> None:
    assert isinstance(held.encoder, HeldEncoder)
    client = connect(held.footnote)
    (held.source / "harbour.txt").write_text("The harbour was opened in 1950 by Mayor Ilse Brandt.")
    held.encoder.go.clear()

    started = client.post("/v1/index/rebuild")
    job = started.json()
    assert (started.status_code, job["state"], job["report"], job["error"]) == (202, "running", None, None)
    assert started.headers["location"] == f"/v1/index/jobs/{job['job_id']}"
    again = client.post("/v1/index/rebuild")
    assert (again.status_code, again.json()["job_id"]) == (202, job["job_id"])
    assert client.get("/v1/index").json()["job"]["job_id"] == job["job_id"]
    assert "1911" in answer(client)["text"]  # the old generation answers meanwhile

    held.encoder.go.set()
    done = finished(client, job["job_id"])
    assert (done["state"], done["generation"], done["error"]) == ("done", "000002", None)
    assert done["report"]["changed"] == ["harbour.txt"]
    assert done["report"]["passages_embedded"] == 1
    assert done["phase"] == "publishing"
    assert "1950" in answer(client)["text"]
    assert client.get("/v1/index").json()["job"] is None


def test_a_rebuild_of_an_unchanged_folder_publishes_nothing(client: TestClient) -> None:
    first = client.post("/v1/index/rebuild").json()["job_id"]
    done = finished(client, first)
    assert (done["state"], done["generation"], done["report"]["published"]) == ("done", "000001", False)
    assert client.post("/v1/index/rebuild").json()["job_id"] != first


def test_the_first_index_can_be_built_over_http(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    client = connect(make_world(folder).footnote)
    assert_problem(client.get("/v1/index"), 503, "Nothing is indexed yet")
    assert finished(client, client.post("/v1/index/rebuild").json()["job_id"])["state"] == "done"
    assert "1911" in answer(client)["text"]


def test_a_rebuild_of_a_missing_folder_fails_and_the_old_generation_stays(client: TestClient, world: World) -> None:
    world.source.rename(world.source.with_name("elsewhere"))
    job = finished(client, client.post("/v1/index/rebuild").json()["job_id"])
    assert (job["state"], job["report"]) == ("failed", None)
    assert (job["error"]["status"], job["error"]["title"]) == (409, "The source folder cannot be indexed")
    assert job["error"]["instance"] == f"/v1/index/jobs/{job['job_id']}"
    assert os.fspath(world.source) not in str(job)
    assert answer(client)["generation"] == "000001"


def test_a_rebuild_that_fails_for_a_reason_nobody_foresaw(held: World, connect: Connect) -> None:
    assert isinstance(held.encoder, HeldEncoder)
    client = connect(held.footnote)
    (held.source / "new.txt").write_text("A new quay was built in 1999.")
    held.encoder.fails = True
    job = finished(client, client.post("/v1/index/rebuild").json()["job_id"])
    assert (job["state"], job["error"]["status"], job["error"]["title"]) == ("failed", 500, "The build failed")
    assert "ZeroDivision" not in str(job)
    assert "/srv" not in str(job)
    assert answer(client)["generation"] == "000001"
    held.encoder.fails = False
    assert finished(client, client.post("/v1/index/rebuild").json()["job_id"])["generation"] == "000002"


def test_there_is_no_such_job(client: TestClient) -> None:
    assert_problem(client.get("/v1/index/jobs/x"), 404, "Not found")


# -- rollback ----------------------------------------------------------------------------------------------------------


def test_back_to_the_generation_before_and_forward_again(client: TestClient, world: World) -> None:
    (world.source / "harbour.txt").write_text("The harbour was opened in 1950 by Mayor Ilse Brandt.")
    world.build()
    assert "1950" in answer(client)["text"]
    assert client.post("/v1/index/rollback").json() == {"generation": "000001"}
    back = answer(client)
    assert (back["generation"], "1911" in back["text"]) == ("000001", True)
    assert back["citations"][0]["source_changed"] is True
    assert client.post("/v1/index/rollback", json={"generation": "000002"}).json() == {"generation": "000002"}
    assert "1950" in answer(client)["text"]


def test_there_is_no_generation_before_the_first(client: TestClient) -> None:
    assert_problem(client.post("/v1/index/rollback"), 404, "Not found")
    assert answer(client)["generation"] == "000001"


@pytest.mark.parametrize("name", ["000009", "..", "../..", "x", "000001/../000001", "\0", "0"])
def test_there_is_no_such_generation(client: TestClient, name: str) -> None:
    assert_problem(client.post("/v1/index/rollback", json={"generation": name}), 404, "Not found")
    assert answer(client)["generation"] == "000001"


def test_no_rollback_to_a_damaged_generation(client: TestClient, world: World) -> None:
    (world.source / "new.txt").write_text("A new quay was built in 1999.")
    world.build()
    (world.data / "generations" / "000001" / "sentences.f16").write_bytes(b"flipped")
    named = client.post("/v1/index/rollback", json={"generation": "000001"})
    assert_problem(named, 503, "The index is damaged")
    assert_problem(client.post("/v1/index/rollback"), 404, "Not found")
    assert answer(client)["generation"] == "000002"


@pytest.fixture
def boats(tmp_path: Path) -> Path:
    """A folder of twelve documents, of which it may not delete half without asking."""
    source = tmp_path / "boats"
    source.mkdir()
    for number in range(12):
        (source / f"{number}.txt").write_text(f"Boat {number} lies at quay {number}.")
    return source


def test_a_rebuild_that_would_delete_much_waits_for_a_word(
    make_world: Callable[..., World], boats: Path, connect: Connect
) -> None:
    world = make_world(boats)
    world.build()
    for path in boats.glob("1*.txt"):
        path.unlink()
    for path in boats.glob("[2-4].txt"):
        path.unlink()
    client = connect(world.footnote)
    asked = finished(client, client.post("/v1/index/rebuild").json()["job_id"])
    assert asked["state"] == "needs_confirmation"
    assert asked["error"]["title"] == "Deletions need to be confirmed"
    assert "6 of the 12 documents" in asked["error"]["detail"]
    assert asked["vanished"] == {
        "count": 6,
        "of": 12,
        "sources": ["1.txt", "10.txt", "11.txt", *("2.txt", "3.txt", "4.txt")],
    }
    told = client.get("/v1/index").json()  # also to who did not ask for it
    assert (told["documents"], told["job"]) == (12, asked)
    again = client.post("/v1/index/rebuild", json={"confirm_deletions": True}).json()
    done = finished(client, again["job_id"])
    assert (done["state"], len(done["report"]["deleted"])) == ("done", 6)
    told = client.get("/v1/index").json()
    assert (told["documents"], told["job"]) == (6, None)


def test_what_another_process_has_confirmed_waits_for_nobody(
    make_world: Callable[..., World], boats: Path, connect: Connect
) -> None:
    world = make_world(boats)
    world.build()
    for path in boats.glob("[0-5].txt"):
        path.unlink()
    client = connect(world.footnote)
    asked = finished(client, client.post("/v1/index/rebuild").json()["job_id"])
    assert client.get("/v1/index").json()["job"] == asked
    make_world(boats).build(confirm_deletions=True)
    assert client.get("/v1/index").json()["job"] is None


def test_a_word_that_comes_while_another_rebuild_runs_is_kept(
    make_world: Callable[..., World], boats: Path, connect: Connect
) -> None:
    encoder = HeldEncoder()
    encoder.go.set()
    world = make_world(boats, encoder=encoder)
    world.build()
    client = connect(world.footnote)
    encoder.go.clear()
    (boats / "new.txt").write_text("A new quay was built in 1999.")
    first = client.post("/v1/index/rebuild").json()["job_id"]
    while (job := client.get(f"/v1/index/jobs/{first}").json())["phase"] != "embedding":
        assert job["state"] == "running", job
        time.sleep(0.01)
    for path in boats.glob("[0-5].txt"):
        path.unlink()

    confirmed = client.post("/v1/index/rebuild", json={"confirm_deletions": True})
    waiting = confirmed.json()
    assert (waiting["state"], waiting["phase"], waiting["job_id"] != first) == ("running", "waiting", True)
    assert confirmed.headers["location"] == f"/v1/index/jobs/{waiting['job_id']}"
    # Who asks again gets what there is: the one that waits, or without a word the one that runs.
    again = client.post("/v1/index/rebuild", json={"confirm_deletions": True}).json()
    assert again["job_id"] == waiting["job_id"]
    assert client.post("/v1/index/rebuild").json()["job_id"] == first

    encoder.go.set()
    assert finished(client, first)["report"]["added"] == ["new.txt"]
    done = finished(client, waiting["job_id"])
    assert (done["state"], len(done["report"]["deleted"])) == ("done", 6)
    assert client.get("/v1/index").json()["job"] is None
    later = client.post("/v1/index/rebuild").json()
    assert later["job_id"] not in (first, waiting["job_id"])
    assert finished(client, later["job_id"])["state"] == "done"
