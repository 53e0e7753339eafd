"""Cases made from documents by rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from eval.generate import GENERATED, generate
from eval.match import contains
from eval.types import Case
from index.types import Passage
from tests.rag.corpus import hit

WORDS = frozenset({"open", "build", "carry"})


def passage(row: int, *sentences: str) -> Passage:
    """The document ROW.txt."""
    return hit(*((sentence, 0.0) for sentence in sentences), row=row).passage


PIER = passage(
    0, "The northern pier was built by Ilse Brandt in 1911.", "It is long.", "The pier has forty tall lamps."
)
FERRY = passage(1, "The ferry Aurora carries 40 cars to Lund.", "Why?", "The ferry was painted red in 1925.")


def made(*passages: Passage, count: int = 8, **options: Any) -> list[Case]:
    options = {"words": WORDS, "said_elsewhere": lambda *_: False, **options}
    return generate(passages or (PIER, FERRY), count=count, **options)


def test_half_of_the_cases_leave_out_the_document_that_answers_them() -> None:
    cases = made(count=4)
    assert [case.answerable for case in cases].count(False) == 2
    for case in cases:
        assert GENERATED in case.tags
        if case.answerable:
            (evidence,) = case.evidence
            assert case.without == ()
            assert all(contains(evidence.quote, answer) for answer in case.answers)
        else:
            assert case.evidence == ()
            assert case.without in {("0.txt",), ("1.txt",)}


def test_the_same_documents_give_the_same_cases_and_no_question_twice() -> None:
    assert made() == made()
    assert len({case.id for case in made()}) == len(made()) == len({case.question for case in made()})


def test_what_another_document_says_too_is_never_called_unanswerable() -> None:
    assert {case.answerable for case in made(said_elsewhere=lambda *_: True)} == {True}


def test_one_document_alone_gives_answerable_cases_only() -> None:
    assert {case.answerable for case in made(PIER)} == {True}


@pytest.mark.parametrize(
    "sentences",
    [["It was opened in 1911 by the mayor of Lund."], ["Why was it built in 1911 by them all?"], ["Ropes."], []],
)
def test_what_leans_on_other_sentences_gives_no_question(sentences: Sequence[str]) -> None:
    assert made(passage(0, *sentences, "Gulls fly.")) == []


def test_a_fact_without_a_question_becomes_a_gap() -> None:
    (case,) = made(passage(0, "Nobody at the Harbour Board of Lund knows why the tower fell."), count=1)
    assert "____" in case.question and "cloze" in case.tags
    (answer,) = case.answers
    assert case.question.removeprefix("What is missing: ").replace("____", answer) == case.evidence[0].quote
