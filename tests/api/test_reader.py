"""The reader behind the doors: on by default, off by a setting, and never a reason for a bare 500."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from index.types import Encoder
from rag.answer import final
from rag.errors import ReaderError
from rag.read import Reader
from rag.types import Question
from tests.conftest import FakeEncoder, World
from tests.fakes import FakeReader

OPENED = "When was the harbour opened?"


def test_it_is_used_unless_it_is_turned_off(make_world: Callable[..., World], folder: Path, tmp_path: Path) -> None:
    sure: dict[bool, float] = {}
    for on in (True, False):
        world = make_world(folder, tmp_path / f"data-{on}", reader=on)
        world.build()
        sure[on] = final(world.footnote.ask(Question(OPENED))).confidence
    assert sure[True] != sure[False]
    assert Settings(reader=True).settings_hash != Settings(reader=False).settings_hash


def test_it_is_loaded_once_and_only_when_it_is_needed(folder: Path, tmp_path: Path) -> None:
    loaded: list[Reader] = []

    def load() -> Reader:
        loaded.append(FakeReader())
        return loaded[-1]

    fake = FakeEncoder()
    settings = Settings(source=folder, data=tmp_path / "data", encoder=fake.name)
    footnote = Footnote(settings, encoder=lambda: fake, reader=load, in_child=False)
    footnote.rebuild(lambda *_: None)
    assert loaded == []
    for _ in range(2):
        list(footnote.ask(Question(OPENED)))
    assert len(loaded) == 1
    footnote.close()


def test_one_that_cannot_be_loaded_is_a_problem_that_names_no_path(folder: Path, tmp_path: Path) -> None:
    def load() -> Reader:
        raise ReaderError(f"The reader cannot be loaded ({tmp_path}).", remedy="Install Footnote again.")

    fake: Encoder = FakeEncoder()
    settings = Settings(source=folder, data=tmp_path / "data", encoder="fake")
    footnote = Footnote(settings, encoder=lambda: fake, reader=load, in_child=False)
    footnote.rebuild(lambda *_: None)
    with TestClient(create_app(footnote), base_url="http://127.0.0.1") as client:
        response = client.post("/v1/ask", json={"question": OPENED})
    assert response.status_code == 503
    assert response.json()["title"] == "The reader cannot be loaded"
    assert str(tmp_path) not in response.text
