"""Answers with a reader: what it is given, and what its word changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rag.answer import AnswerOptions, answer, final
from rag.read import Reader, Reading
from rag.types import Answer, Question
from tests.conftest import World
from tests.fakes import FakeReader
from tests.rag.port import ALWAYS, OPENED, ask, assert_footnoted


class OneSentence(FakeReader):
    """A reader that is sure of one sentence, and of nothing else."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self.titles: list[str] = []
        self.sentences: list[str] = []

    def read(self, question: str, passages: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        self.titles += [title for title, _ in passages]
        self.sentences += [one for _, sentences in passages for one in sentences]
        logits = [tuple(9.0 if one == self._sentence else -9.0 for one in sentences) for _, sentences in passages]
        return [Reading(each, max(each)) for each in logits]


class Unmoved(OneSentence):
    """A reader to whom all sentences are as likely."""

    def read(self, question: str, passages: Sequence[tuple[str, Sequence[str]]]) -> list[Reading]:
        super().read(question, passages)
        return [Reading((0.0,) * len(sentences), 0.0) for _, sentences in passages]


def read(world: World, question: Question, reader: Reader, options: AnswerOptions = ALWAYS) -> Answer:
    with world.footnote.library.pin() as generation:
        told = answer(
            question, generation, world.encoder, source_changed=lambda _: False, reader=reader, options=options
        )
        return final(told)


def test_what_the_reader_is_sure_of_comes_before_what_is_as_near(port: World) -> None:
    question = Question("What is said of the ferry and of the museum?")
    for sure_of in ("The ferry Aurora sails at noon every Tuesday.", "🚢 The museum keeps 300 models of ships."):
        given = read(port, question, OneSentence(sure_of))
        assert given.sentences[0].text == sure_of
        assert_footnoted(port, given)


def test_nothing_is_quoted_that_was_not_read(port: World) -> None:
    question = Question("What is said of the ferry, the museum, the harbour and the fog?", sentences=10)
    reader = Unmoved("")
    given = read(port, question, reader)
    assert len({citation.document_id for citation in given.citations}) > 2  # two are read before any is chosen
    assert {sentence.text for sentence in given.sentences} <= set(reader.sentences)


def test_a_reader_that_finds_nothing_makes_less_sure(port: World) -> None:
    found = read(port, OPENED, OneSentence("The harbour was opened in 1911 by Mayor Ilse Brandt."))
    assert found.confidence > read(port, OPENED, OneSentence("")).confidence


def test_another_reader_gives_another_answer_id(port: World) -> None:
    without = final(iter(ask(port, OPENED)))
    assert read(port, OPENED, OneSentence("")).answer_id != without.answer_id


def test_passages_are_read_under_their_headings(make_world: Callable[..., World], tmp_path: Path) -> None:
    (tmp_path / "port").mkdir()
    (tmp_path / "port" / "port.md").write_text("# The port\n\n## Harbour\n\nIt was opened in 1911.\n")
    world = make_world(tmp_path / "port")
    world.build()
    reader = OneSentence("")
    read(world, OPENED, reader)
    assert "The port > Harbour" in reader.titles
