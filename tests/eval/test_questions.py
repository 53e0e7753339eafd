from __future__ import annotations

import random

import pytest

from eval.questions import Made, questions, subject_of

WORDS = frozenset({"open", "perform", "feature", "direct", "release"})


@pytest.mark.parametrize(
    ("claim", "asked", "answer"),
    [
        ("Jacinda Barrett was born on August 2, 1972.", "When was Jacinda Barrett born?", "August 2, 1972"),
        ("The harbour opened in 1911.", "When did the harbour open?", "1911"),
        ("The film was directed by Ilse Brandt.", "Who directed the film?", "Ilse Brandt"),
        ("Reddit features submissions.", "What does Reddit feature?", ""),
        ("The museum has three ships.", "How many ships does the museum have?", "three"),
        ("The museum has more than 40 ships.", "How many ships does the museum have?", "40"),
        ("Rod Laver is a former athlete.", "What is Rod Laver?", ""),
        ("The factory is located in Lund, which lies south.", "Where is the factory located?", "Lund"),
        ("Soldiers wounded in the war have gone to spas.", "What has gone to spas?", "Soldiers wounded in the war"),
    ],
)
def test_a_claim_becomes_a_question_that_it_answers(claim: str, asked: str, answer: str) -> None:
    assert Made(asked, answer) in questions(claim, WORDS, random.Random(1))


@pytest.mark.parametrize(
    "claim", ["Detroit is not in Lund.", "Gulls.", "", "He ate only fish in 1911.", "They do three things with it."]
)
def test_what_denies_or_says_too_little_gives_none(claim: str) -> None:
    assert questions(claim, WORDS, random.Random(1)) == []


def test_a_question_stops_where_a_further_thought_begins() -> None:
    asked = {
        made.question
        for made in questions("The pier was built in 1911, because a storm came.", WORDS, random.Random(1))
    }
    assert asked
    assert not any("storm" in question for question in asked)


def test_the_subject_is_what_stands_before_the_verb() -> None:
    assert subject_of("The Harbour of Lund was opened in 1911.") == "the Harbour of Lund"
