"""Questions to begin with, made from passages by rule."""

from __future__ import annotations

import pytest

from eval.suggest import suggestions
from index.types import Document, Passage, Place, SegmentKind, Sentence

WORDS = frozenset("open sail add cost draw".split())  # noqa: SIM905


def passage(source: str, *sentences: tuple[SegmentKind, str]) -> Passage:
    document = Document(source, source, source, "txt", "", "", 0, 0, 1, len(sentences), ())
    made = tuple(Sentence(row, 0, len(text), kind, text, Place()) for row, (kind, text) in enumerate(sentences))
    text = " ".join(sentence.text for sentence in made)
    return Passage(f"{source}-0", 0, document, 0, len(text), text, len(text.split()), Place(), made)


def asked(*passages: Passage) -> list[str]:
    return [found.question for found in suggestions(passages, words=WORDS)]


def test_questions_that_the_documents_ask_come_first_then_made_ones_then_headings() -> None:
    assert asked(
        passage("a.md", ("heading", "Spring tides"), ("prose", "The harbour was opened by Ilse Brandt in 1911.")),
        passage("b.md", ("heading", "Who may sail the ferry Aurora?")),
    ) == [
        "Who may sail the ferry Aurora?",
        "When was the harbour opened by Ilse Brandt?",
        "What is said about “Spring tides”?",
    ]


def test_the_documents_take_turns() -> None:
    found = asked(
        passage("a.md", ("heading", "Who sails the ferry Aurora?"), ("heading", "Which lamp lights the quay wall?")),
        passage("b.md", ("heading", "When does the fish market open?")),
    )
    assert found == [
        "Who sails the ferry Aurora?",
        "When does the fish market open?",
        "Which lamp lights the quay wall?",
    ]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("heading", "Does the ferry sail in winter?"),  # a quotation is a poor yes or no
        ("heading", "Where are they treated?"),  # leans on what stands before it
        ("heading", "Why?"),
        ("heading", "1. Introduction and scope"),
        ("heading", "How it was received"),
        ("prose", "the harbour was opened in 1911."),  # the rest of a sentence that was cut
        ("row", "Year: 1911; Event: the harbour was opened in 1911."),
        ("furniture", "Source link"),
        ("prose", "It was opened in 1911."),
    ],
)
def test_what_would_not_read_well_is_not_asked(kind: SegmentKind, text: str) -> None:
    assert asked(passage("a.md", (kind, text))) == []


def test_a_name_without_an_article_may_be_a_persons() -> None:
    assert asked(passage("a.md", ("prose", "Ilse Brandt was the mayor of the town."))) == [
        "Who or what was Ilse Brandt?"
    ]


def test_nearly_the_same_is_asked_once() -> None:
    found = asked(
        passage("a.md", ("heading", "Who opened the old harbour?")),
        passage("b.md", ("heading", "Who opened the harbour?")),
    )
    assert found == ["Who opened the old harbour?"]
