"""documents.db is read for as long as it is served. What is damaged in it meanwhile is left out or refused, and never
cited: not other words, and not the right words under another name, place or hash."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient
from structlog.testing import LogCapture

from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from tests.fakes import FakeEncoder, FakeReader
from tests.faults.campaign import Campaigns

_SEED = 10
_QUESTIONS = ("Who mended the nets?", "When was the lamp lit?", "What does a rope cost?", "Where does the ferry sail?")
_DOCUMENTS = {
    "nets.md": "# Nets\n\nNets are mended on Mondays by Jonna Berg.\n\n## Cork\n\nFloats are made of cork.\n",
    "more/lamps.txt": "The lamp was lit in 1925 by Ilse Brandt. Its keeper climbs ninety steps.\n",
    "prices.csv": "ware,crowns\nrope,12\nlamp,40\nnet,7\n",
    "ferry.md": "# Ferries 🚢\n\nThe ferry Aurora sails to Elsinore at noon.\n\n## Fares\n\nA child pays 4 crowns.\n",
    "copy.md": "# Nets\n\nNets are mended on Mondays by Jonna Berg.\n\n## Cork\n\nFloats are made of cork.\n",
    "bell.html": "<title>The bell</title><h1>The bell</h1><p>The bell rings at noon. It was cast in Malmö in 1811.</p>",
}
_OTHERS = (
    (b"on Mondays", b"on Sundays"),  # what is quoted
    (b"ferry.md", b"fairy.md"),  # the name of its file
    (b"The bell", b"The bull"),  # a title, and a heading
    (b'["Ferries', b'["Fairies'),  # the place where it stands
    (sha256(_DOCUMENTS["ferry.md"].encode()).hexdigest().encode(), b"f" * 64),
)
# What must be right wherever a passage or a citation is shown.
_OF_DOCUMENT = ("source", "title", "source_sha256", "text_sha256")
_OF_PLACE = ("page", "heading_path", "slide", "sheet", "row", "chapter")


@dataclass(frozen=True, slots=True)
class Harbour:
    """A served index, and what is true of it."""

    data: Path
    footnote: Footnote
    client: TestClient
    whole: bytes  # documents.db
    documents: Mapping[str, dict[str, Any]]  # by id, with their text
    passages: Mapping[str, dict[str, Any]]  # by id
    places: Mapping[tuple[str, int, int], dict[str, Any]]  # of sentences, by document and offsets

    @property
    def database(self) -> Path:
        return self.data / "generations" / "000001" / "documents.db"

    @contextmanager
    def damaged(self, ruined: bytes) -> Iterator[TestClient]:
        """Loaded when it was whole, and then damaged where it lies."""
        self.database.write_bytes(self.whole)
        self.footnote.library.close()
        assert self.client.get("/readyz").json()["status"] == "ok"
        self.database.write_bytes(ruined)
        yield self.client


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    folder = tmp_path_factory.mktemp("harbour")
    for name, text in _DOCUMENTS.items():
        (folder / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "documents" / name).write_text(text, "utf-8")
    settings = Settings(
        source=folder / "documents", data=folder / "data", encoder="fake", reader=False, min_confidence=0.0
    )
    footnote = Footnote(settings, encoder=FakeEncoder, reader=FakeReader, in_child=False)
    footnote.rebuild(lambda *_: None)
    structlog.configure(processors=[LogCapture()])  # every refusal is logged
    with TestClient(create_app(footnote), raise_server_exceptions=False) as client:
        yield _truth(footnote, client)
    structlog.reset_defaults()
    footnote.close()


def _truth(footnote: Footnote, client: TestClient) -> Harbour:
    documents = {one["document_id"]: one for one in client.get("/v1/documents").json()["documents"]}
    passages, places = {}, {}
    with footnote.library.pin() as generation:
        for document_id, one in documents.items():
            one["text"] = generation.store.text(document_id)
            for passage in generation.store.passages(generation.store.rows_of([document_id]), [document_id]):
                passages[passage.passage_id] = client.get(f"/v1/passages/{passage.passage_id}").json()
                for sentence in passage.sentences:
                    place = {name: getattr(sentence.place, name) for name in _OF_PLACE}
                    place["heading_path"] = list(sentence.place.heading_path)
                    places[document_id, sentence.start, sentence.end] = place
        whole = (generation.folder / "documents.db").read_bytes()
    assert len(documents) == len(_DOCUMENTS) and len(passages) > len(documents)
    return Harbour(footnote.settings.data, footnote, client, whole, documents, passages, places)


def wrongs(harbour: Harbour, client: TestClient) -> list[str]:
    """Ask by every route that gives out text; what is told that is not so, and what fails as nobody should fail."""
    found: list[str] = []

    def told(path: str, body: dict[str, Any] | None = None) -> Any:
        response = client.get(path) if body is None else client.post(path, json=body)
        if response.status_code not in (200, 404, 503):
            found.append(f"{path}: {response.status_code}")
        if response.status_code == 404 and body is not None:
            found.append(f"{path}: what was searched for is not found")
        return response if response.status_code == 200 else None

    for question in _QUESTIONS:
        if answer := told("/v1/ask", {"question": question}):
            for citation in answer.json()["citations"]:
                found += _wrong_citation(harbour, citation)
            for passage in answer.json()["passages"]:
                found += _wrong_passage(harbour, passage, ("source", "title", "text", "start_char", "end_char"))
    if hits := told("/v1/search", {"query": _QUESTIONS[0]}):
        for passage in hits.json()["passages"]:
            found += _wrong_passage(harbour, passage, ("source", "title", "text", "start_char", "end_char", *_OF_PLACE))
    for passage_id, passage in harbour.passages.items():
        if (got := told(f"/v1/passages/{passage_id}")) and got.json() != passage:
            found.append(f"passage {passage_id} is another")
    for document_id, document in harbour.documents.items():
        if (got := told(f"/v1/documents/{document_id}/text")) and got.text != document["text"]:
            found.append(f"text of {document['source']} is another")
    if listed := told("/v1/documents"):
        for entry in listed.json()["documents"]:
            true = harbour.documents.get(entry["document_id"])
            if true is None or any(entry[name] != true[name] for name in _OF_DOCUMENT):
                found.append(f"the list has {entry}")
    return found


def _wrong_citation(harbour: Harbour, citation: dict[str, Any]) -> list[str]:
    document = harbour.documents.get(citation["document_id"])
    start, end = citation["start_char"], citation["end_char"]
    if document is None or document["text"][start:end] != citation["cited_text"]:
        return [f"cited {citation['cited_text']!r} from {citation['source']}"]
    place = harbour.places.get((citation["document_id"], start, end))
    true = {**{name: document[name] for name in _OF_DOCUMENT}, **(place or {"place": "none is known"})}
    return [
        f"{name} of a citation: {citation.get(name)}" for name, value in true.items() if citation.get(name) != value
    ]


def _wrong_passage(harbour: Harbour, passage: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    true = harbour.passages.get(passage["passage_id"])
    if true is None:
        return [f"no passage is called {passage['passage_id']}"]
    return [f"{name} of a passage: {passage[name]}" for name in names if passage[name] != true[name]]


def ruin(whole: bytes, chance: random.Random) -> bytes:
    """One bit flips where something stands; now and then a whole sector goes."""
    ruined = bytearray(whole)
    while True:
        position = chance.randrange(len(whole))
        if any(whole[position - 2 : position + 3]):
            break
    if chance.random() < 0.1:
        position -= position % 512
        ruined[position : position + 512] = chance.choice((bytes(512), chance.randbytes(512)))
    else:
        ruined[position] ^= 1 << chance.randrange(8)
    return bytes(ruined)


def test_nothing_is_told_that_was_damaged_after_it_was_loaded(harbour: Harbour, campaign: Campaigns) -> None:
    with campaign("R10", "documents.db is damaged while it is served", push=30, release=500) as trials:
        for trial in trials:
            with harbour.damaged(ruin(harbour.whole, random.Random(f"{_SEED} {trial}"))) as client:
                assert not wrongs(harbour, client), trial


@pytest.mark.parametrize(("was", "becomes"), _OTHERS)
def test_no_part_of_a_citation_can_be_another(harbour: Harbour, was: bytes, becomes: bytes) -> None:
    assert was in harbour.whole
    with harbour.damaged(harbour.whole.replace(was, becomes)) as client:
        assert not wrongs(harbour, client)


def test_a_passage_is_not_given_to_another_document(harbour: Harbour) -> None:
    """Its words are whole, and so are both documents; only the number that joins them is another."""
    database = harbour.data / "swapped.db"
    database.write_bytes(harbour.whole)
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE passages SET content = 1 - content WHERE content IN (0, 1)")
    with harbour.damaged(database.read_bytes()) as client:
        assert not wrongs(harbour, client)


def test_other_files_that_are_damaged_meanwhile_give_no_wrong_citation_either(
    harbour: Harbour, campaign: Campaigns
) -> None:
    """Sentence vectors and the lexical index are mapped, not read: damage shows at once, in scores or as a refusal."""
    folder = harbour.database.parent
    mapped = sorted(path for path in [folder / "sentences.f16", *(folder / "lexical").iterdir()] if path.stat().st_size)
    with campaign("R10", "mapped files are damaged while they are served", push=20, release=500) as trials:
        for trial in trials:
            chance = random.Random(f"{_SEED} mapped {trial}")
            with harbour.damaged(harbour.whole) as client:
                path = chance.choice(mapped)
                whole = path.read_bytes()
                try:
                    overwrite(path, scattered(whole, chance))
                    assert not wrongs(harbour, client), (trial, path.name)
                finally:
                    overwrite(path, whole)


def scattered(whole: bytes, chance: random.Random) -> bytes:
    ruined = bytearray(whole)
    for _ in range(chance.choice((1, 1, 50, 500))):
        ruined[chance.randrange(len(ruined))] = chance.choice((0xFF, 0x7F, chance.randrange(256)))
    return bytes(ruined)


def overwrite(path: Path, data: bytes) -> None:
    """Never shorter for a moment: what is mapped and cut off ends the process that reads it."""
    with path.open("r+b") as stream:
        stream.write(data)


def test_without_the_digests_damage_would_be_told(
    harbour: Harbour, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.store._hold", lambda _: None)
    failed = 0
    for was, becomes in _OTHERS:
        with harbour.damaged(harbour.whole.replace(was, becomes)) as client:
            failed += bool(wrongs(harbour, client))
    campaign.control("R10", "the digests of passages and documents", failed=failed, of=len(_OTHERS))
