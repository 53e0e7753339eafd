from __future__ import annotations

import pytest

from rag.rewrite import understand
from rag.types import Turn


def user(*questions: str) -> list[Turn]:
    return [Turn("user", question) for question in questions]


def test_a_first_question_is_left_alone() -> None:
    understood = understand("When did it open?", [])
    assert understood.standalone == "When did it open?"
    assert understood.searches == (("When did it open?", 1.0),)


@pytest.mark.parametrize(
    ("before", "question", "standalone"),
    [
        ("How many came in 2024?", "And in 2019?", "How many came in 2019?"),
        ("What does exit code 0 mean?", "And what about code 3?", "What does exit code 0 mean? And what about code 3?"),
        ("Who governs in Lund?", "What about York?", "Who governs in York?"),
        ("Who built the pier?", "the harbour", "Who built the pier? the harbour"),
    ],
)
def test_a_fragment_is_read_into_the_question_before(before: str, question: str, standalone: str) -> None:
    assert understand(question, user(before)).standalone == standalone


@pytest.mark.parametrize("question", ["What did it cost?", "Who said it and in which role?", "Who pays for that?"])
def test_a_question_that_points_back_is_read_with_the_one_before(question: str) -> None:
    understood = understand(question, user("How many sailors came to Lund?"))
    assert understood.standalone == f"How many sailors came to Lund? {question}"
    assert understood.searches[0] == (question, 1.0)  # the question asked is not drowned by the one before
    assert understood.searches[1] == (understood.standalone, 1.0)


@pytest.mark.parametrize(
    "question",
    [
        "Who won the regatta in Lund?",
        "Is there a ferry from Lund to York?",
        "Who said that hundreds of sailors were treated in York?",
        "Does the harbour company of Lund pay its pilots?",  # "its" has something in the question to stand for
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    understood = understand(question, user("When did the bridge open?"))
    assert understood.standalone == question
    assert understood.searches == ((question, 1.0), ("When did the bridge open?", 0.2))


def test_a_chain_of_follow_ups_leans_on_the_last_question_that_stands_alone() -> None:
    understood = understand("And who paid for it?", user("Who built the pier in Lund?", "When did they finish it?"))
    assert understood.standalone == "Who built the pier in Lund? And who paid for it?"


def test_an_answer_given_before_is_no_evidence() -> None:
    turns = [Turn("user", "Who built the pier?"), Turn("assistant", "The pier was built by Ada Holm.")]
    assert "Holm" not in understand("When did they finish it?", turns).standalone


def test_an_empty_history_is_no_history() -> None:
    assert understand("What did it cost?", [Turn("user", "  ")]).standalone == "What did it cost?"
