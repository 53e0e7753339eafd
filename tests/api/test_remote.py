"""Evaluating a running server over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.evaluating import SUITES, evaluate_url, evaluate_with
from api.remote import Remote, RemoteError
from api.settings import Settings
from eval.cases import load_suite
from eval.compare import compare, read_run
from rag.answer import final
from rag.types import Question
from tests.api.conftest import Connect, Live
from tests.api.towns import suite_about
from tests.conftest import World


def test_a_server_is_evaluated_as_the_library_is(towns: World, live: Live, tmp_path: Path) -> None:
    suite = suite_about(towns, tmp_path / "suite")
    evaluate_with(towns.footnote, load_suite(suite, SUITES), tmp_path / "library")
    url = live(towns.footnote)
    summary = evaluate_url(suite, url, Settings(data=tmp_path / "other"), tmp_path / "server", quiet=True)
    assert (summary.generation, summary.context["url"], summary.failures) == ("000001", url, ())
    found = compare(read_run(tmp_path / "library"), read_run(tmp_path / "server"))
    assert found.verdict == "Nothing changed."


def test_answers_arrive_as_they_were_given(client: TestClient, world: World) -> None:
    question = Question("When was the harbour opened?", k=3)
    given, here = Remote("http://testserver", client).ask(question), final(world.footnote.ask(question))
    assert given.answer_id == here.answer_id
    assert (given.text, given.citations, given.passages) == (here.text, here.citations, here.passages)


def test_a_question_that_the_server_refuses_is_an_error_of_that_question(client: TestClient) -> None:
    with pytest.raises(RemoteError, match=r"says 4\d\d"):
        Remote("http://testserver", client).ask(Question("?"))


def test_a_server_that_is_not_there_or_is_something_else(towns: World, connect: Connect, tmp_path: Path) -> None:
    suite = suite_about(towns, tmp_path / "suite")
    with pytest.raises(RemoteError, match="footnote serve"):
        evaluate_url(suite, "http://127.0.0.1:9", Settings(data=tmp_path / "other"), None, quiet=True)
    elsewhere = Remote("http://testserver", connect(towns.footnote))
    with pytest.raises(RemoteError):
        elsewhere._json("GET", "/")  # a page, not JSON
