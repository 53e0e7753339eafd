from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import Connect, assert_problem
from tests.conftest import HARBOUR, World


def id_of(client: TestClient, source: str) -> str:
    (found,) = [d["document_id"] for d in client.get("/v1/documents").json()["documents"] if d["source"] == source]
    return str(found)


def test_the_documents_by_source(client: TestClient) -> None:
    response = client.get("/v1/documents")
    body = response.json()
    assert response.headers["Footnote-Generation"] == body["generation"] == "000001"
    assert [document["source"] for document in body["documents"]] == ["emoji.md", "harbour.txt", "hostile.html"]
    harbour = body["documents"][1]
    assert harbour["source_sha256"] == sha256(HARBOUR.encode()).hexdigest()
    assert (harbour["format"], harbour["size"], harbour["n_sentences"]) == ("txt", len(HARBOUR), 4)
    assert (harbour["state"], harbour["duplicate_of"], harbour["warnings"]) == ("indexed", "", [])


def test_one_document(client: TestClient) -> None:
    listed = client.get("/v1/documents").json()["documents"]
    assert [client.get(f"/v1/documents/{document['document_id']}").json() for document in listed] == listed


def test_a_document_says_whether_its_file_is_the_same(client: TestClient, world: World) -> None:
    (world.source / "harbour.txt").write_text("Closed.")
    (world.source / "emoji.md").unlink()
    os.utime(world.source / "hostile.html", (1, 1))
    states = {document["source"]: document["state"] for document in client.get("/v1/documents").json()["documents"]}
    assert states == {"harbour.txt": "changed", "emoji.md": "missing", "hostile.html": "indexed"}


def test_a_file_whose_name_is_not_utf_8_is_found_again(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    odd = os.path.join(os.fsencode(folder), b"caf\xe9.txt")
    Path(os.fsdecode(odd)).write_text("The cafe opens at nine.")
    world = make_world(folder)
    world.build()
    client = connect(world.footnote)
    source = "caf\N{REPLACEMENT CHARACTER}.txt"
    assert client.get(f"/v1/documents/{id_of(client, source)}").json()["state"] == "indexed"
    Path(os.fsdecode(odd)).write_text("The cafe is closed.")
    assert client.get(f"/v1/documents/{id_of(client, source)}").json()["state"] == "changed"
    Path(os.fsdecode(odd)).unlink()
    assert client.get(f"/v1/documents/{id_of(client, source)}").json()["state"] == "missing"


def test_a_copy_names_the_first_document_with_its_text(client: TestClient, world: World) -> None:
    (world.source / "zz.txt").write_text(HARBOUR)
    world.build()
    assert client.get(f"/v1/documents/{id_of(client, 'zz.txt')}").json()["duplicate_of"] == "harbour.txt"


@pytest.mark.parametrize("source", ["emoji.md", "harbour.txt", "hostile.html"])
def test_a_text_is_plain_text_whatever_it_says(client: TestClient, source: str) -> None:
    document = client.get(f"/v1/documents/{id_of(client, source)}").json()
    response = client.get(f"/v1/documents/{document['document_id']}/text")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert sha256(response.content).hexdigest() == document["text_sha256"]
    assert len(response.text) == document["n_chars"]


def test_a_passage_is_a_slice_of_its_text(client: TestClient) -> None:
    for hit in client.post("/v1/search", json={"query": "harbour ferry"}).json()["passages"]:
        passage = client.get(f"/v1/passages/{hit['passage_id']}").json()
        text = client.get(f"/v1/documents/{hit['document_id']}/text").text
        assert passage["text"] == text[passage["start_char"] : passage["end_char"]] == hit["text"]
        assert 0 < passage["n_tokens"] <= 40
        for sentence in passage["sentences"]:
            assert passage["start_char"] <= sentence["start_char"] < sentence["end_char"] <= passage["end_char"]


def test_what_an_older_answer_cites_can_still_be_read(client: TestClient, world: World) -> None:
    (citation,) = client.post("/v1/ask", json={"question": "When was the harbour opened?"}).json()["citations"]
    (world.source / "harbour.txt").write_text("The harbour was opened in 1950.")
    world.build()
    assert client.get("/v1/index").json()["generation"] == "000002"
    passage = client.get(f"/v1/passages/{citation['passage_id']}")
    text = client.get(f"/v1/documents/{citation['document_id']}/text")
    assert passage.headers["Footnote-Generation"] == text.headers["Footnote-Generation"] == "000001"
    assert citation["cited_text"] in passage.json()["text"]
    assert text.text[citation["start_char"] : citation["end_char"]] == citation["cited_text"]
    assert_problem(client.get(f"/v1/documents/{citation['document_id']}"), 404)  # it is not live


def test_what_no_generation_kept_has_is_not_found(client: TestClient, world: World) -> None:
    (citation,) = client.post("/v1/ask", json={"question": "When was the harbour opened?"}).json()["citations"]
    for year in (1950, 1951, 1952):
        (world.source / "harbour.txt").write_text(f"The harbour was opened in {year}.")
        world.build()
        client.get("/v1/index")
    assert_problem(client.get(f"/v1/passages/{citation['passage_id']}"), 404, "Not found")
    assert_problem(client.get(f"/v1/documents/{citation['document_id']}/text"), 404, "Not found")


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "%ed%a0%80",
        "a-1-2",
        "a-99999999999999999-2",
        "--",
        "' OR 1=1 --",
        "a" * 5000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/documents/{}", "/v1/documents/{}/text", "/v1/passages/{}"])
def test_names_that_mean_nothing(client: TestClient, path: str, name: str) -> None:
    assert_problem(client.get(path.format(name)), 404)


def test_what_was_skipped_is_listed_with_its_reason(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    (folder / "blank.txt").write_text("  \n")
    world = make_world(folder)
    world.build()
    (folder / "scan.bin").write_bytes(b"\x00\x01")  # which changes nothing that is published
    world.build()
    body = connect(world.footnote).get("/v1/documents").json()
    found = {(one["source"], one["reason"]) for one in body["skipped"]}
    assert found == {("blank.txt", "empty"), ("scan.bin", "unsupported")}
    assert all(one["detail"] for one in body["skipped"])


def test_a_stale_document_is_not_listed_as_skipped_too(client: TestClient, world: World) -> None:
    (world.source / "harbour.txt").write_bytes(b"\x00\x01\x02\x03")
    world.build()
    body = client.get("/v1/documents").json()
    assert "harbour.txt" in [one["source"] for one in body["documents"]]
    assert body["skipped"] == []
