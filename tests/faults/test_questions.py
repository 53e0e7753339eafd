"""Whatever a question is made of, it is answered or refused: no string ends in a failure of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog
import tantivy
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from structlog.testing import LogCapture

from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from index.lexical import LexicalIndex
from tests.conftest import write_documents
from tests.fakes import FakeEncoder, FakeReader
from tests.faults.campaign import Campaigns

_BATCH = 100  # strings that hypothesis makes at a time

_SYNTAX = st.text(st.sampled_from("\"*():^~+-!&|\\/?<>[]{}%_@#$=;,.' \t\r\n"), max_size=80)
_WORDS = st.lists(
    st.sampled_from(
        ["AND", "OR", "NOT", "NEAR/2", "TO", "IN", "ferry", "harbour", '"', "(", ")", "text:", "row:", "*", "^99", "~2",
         "'; DROP TABLE documents; --", "{{7*7}}", "${jndi:ldap://x}", "%00", "../../etc/passwd", "<|im_start|>", "\\"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip
_CONTROLS = st.text(
    st.sampled_from("\0\x01\x07\x08\x1b\x7f\x85\ufeff\ufffe\uffff\u2028\u2029\u200b\u00ad"), max_size=60
)
_DIRECTIONS = st.text(st.sampled_from("\u202a\u202e\u2066\u2069\u200fאבגد هو ferry 123"), max_size=60)
_EMOJI = st.text(st.sampled_from("🚢👩👧🇩🇰🏴\u200d\ufe0f\U000e0067\U000e007f\u0301\u20e3e ferry"), max_size=60)
_HALVES = st.text(st.characters(categories=["Cs", "Ll", "So"]), max_size=40)  # surrogates without their other half
_ANYTHING = st.text(st.characters(), max_size=300)
_LONG = st.tuples(st.one_of(_WORDS, _ANYTHING, _EMOJI, _CONTROLS), st.integers(2, 120_000)).map(
    lambda pair: (pair[0] * (pair[1] // max(1, len(pair[0])) + 1))[: pair[1]]
)
QUESTION = st.one_of(_SYNTAX, _WORDS, _CONTROLS, _DIRECTIONS, _EMOJI, _HALVES, _ANYTHING, _LONG)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("questions")
    source = write_documents(folder / "documents")
    chosen = Settings(source=source, data=folder / "data", encoder="fake", reader=False)
    footnote = Footnote(chosen, encoder=FakeEncoder, reader=FakeReader, in_child=False)
    footnote.rebuild(lambda *_: None)
    structlog.configure(processors=[LogCapture()])  # nothing is printed
    with TestClient(create_app(footnote), raise_server_exceptions=False) as made:
        yield made
    structlog.reset_defaults()
    footnote.close()


def bodies(question: str, before: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The ways to ask it."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(before)]
    return {
        "/v1/ask": {"question": question, "messages": turns},
        "/v1/ask#stream": {"question": question, "messages": turns, "stream": True},
        "/v1/ask#named": {"question": "When was the harbour opened?", "documents": [question], "without": [question]},
        "/v1/search": {"query": question},
        "/v1/search#named": {"query": "harbour", "documents": [question], "max_tokens": 50},
        "/v1/chat/completions": {"messages": [*turns, {"role": "user", "content": question}]},
    }


def failures(client: TestClient, path: str, body: dict[str, Any]) -> list[str]:
    # Escaped, so that half a surrogate pair can be sent at all.
    response = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    refused = {"/v1/ask": (422,), "/v1/search": (404, 422), "/v1/chat/completions": (400,)}  # 404: no such document
    if response.status_code not in (200, 413, *refused[path.partition("#")[0]]):
        return [f"{path}: {response.status_code}"]
    return [f"{path}: an error in the stream"] if "event: error" in response.text.splitlines() else []


def ask_many(client: TestClient, number: int, count: int) -> None:
    """So many questions; an AssertionError for the first that the server fails at."""

    @seed(number)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(QUESTION, st.lists(QUESTION.filter(lambda text: len(text) < 500), max_size=3), st.integers(0, 5))
    def check(question: str, before: list[str], way: int) -> None:
        path, body = list(bodies(question, before).items())[way]
        assert not failures(client, path, body)

    check()


def test_no_question_breaks_the_server(client: TestClient, campaign: Campaigns) -> None:
    with campaign("L13", "strings that a question can be", push=200, release=100_000) as trials:
        for trial in trials:
            if trial % _BATCH == 0:
                ask_many(client, trial, _BATCH)


@pytest.mark.parametrize("question", ["x" * 100_000, "🚢" * 25_000, "\0" * 100_000, "( " * 50_000, "\ud83d" * 30_000])
def test_a_question_of_100_kilobytes_is_no_failure(client: TestClient, question: str) -> None:
    for path, body in bodies(question, []).items():
        assert not failures(client, path, body)


def test_a_question_that_were_parsed_would_break_it(
    client: TestClient, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null control: the words of a question given to tantivy's parser, as they stand."""

    def parsed(
        self: LexicalIndex, query: Sequence[str], k: int, rows: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        tantivy.Index(self._schema).parse_query(" ".join(query), ["text"])
        return []

    monkeypatch.setattr("index.search.content_terms", lambda text: text.split())
    monkeypatch.setattr("index.lexical.LexicalIndex.search", parsed)
    failed = 0
    for number in range(3):
        try:
            ask_many(client, number, 50)
        except AssertionError:
            failed += 1
    campaign.control("L13", "that questions are not parsed", failed=failed, of=3)
