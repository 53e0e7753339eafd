"""Four documents of one passage each, the question that is put to them most, and what holds of every answer."""

from __future__ import annotations

from pathlib import Path

from rag.answer import ABSTAINED_TEXT, AnswerOptions, answer
from rag.types import Answer, Done, Event, PassagesFound, Question, SentenceReady
from tests.conftest import World

ALWAYS = AnswerOptions(min_confidence=0.0)  # answers as soon as there is anything to quote
OPENED = Question("When was the harbour opened, and what did building the harbour cost?")

PORT = {
    "harbour.txt": "The harbour was opened in 1911 by Mayor Ilse Brandt. Building the harbour cost 4.2 million crowns.",
    "ferry.txt": "The ferry Aurora sails at noon every Tuesday. The crossing takes 55 minutes.",
    "museum.txt": "🚢 The museum keeps 300 models of ships. Its tickets cost 12 crowns.",
    "weather.txt": "Fog closes the port on twenty days a year. Most wind comes from the west.",
}


def fill(folder: Path) -> Path:
    folder.mkdir()
    for name, text in PORT.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def ask(world: World, question: Question, options: AnswerOptions = ALWAYS) -> list[Event]:
    with world.footnote.library.pin() as generation:
        return list(answer(question, generation, world.encoder, source_changed=lambda _: False, options=options))


def parts(events: list[Event]) -> tuple[PassagesFound, list[SentenceReady], Answer]:
    """The three kinds of event, in the order that they must come in."""
    first, *between, last = events
    assert isinstance(first, PassagesFound)
    assert isinstance(last, Done)
    ready = [event for event in between if isinstance(event, SentenceReady)]
    assert len(ready) == len(between)
    return first, ready, last.answer


def assert_footnoted(world: World, given: Answer) -> None:
    """What holds of every answer, whatever was asked."""
    assert given.text == (" ".join(sentence.text for sentence in given.sentences) or ABSTAINED_TEXT)
    for sentence in given.sentences:
        assert given.text[sentence.start : sentence.end] == sentence.text
        assert sentence.citations
    with world.footnote.library.pin() as generation:
        for citation in given.citations:
            text = generation.store.text(citation.document_id)
            assert text[citation.start_char : citation.end_char] == citation.cited_text
            assert given.text[citation.answer_start : citation.answer_end] == citation.cited_text
            assert citation.verified
    assert [citation.n for citation in given.citations] == list(range(1, len(given.citations) + 1))
    assert [n for sentence in given.sentences for n in sentence.citations] == [c.n for c in given.citations]
    assert {citation.passage_id for citation in given.citations} <= {passage.passage_id for passage in given.passages}
