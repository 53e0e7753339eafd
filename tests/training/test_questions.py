from __future__ import annotations

import random

import pytest

from training.edits import falsified, names_in
from training.questions import questions, subject_of

WORDS = frozenset({"open", "perform", "feature", "direct", "release"})


@pytest.mark.parametrize(
    ("claim", "asked"),
    [
        ("Jacinda Barrett was born on August 2, 1972.", "When was Jacinda Barrett born?"),
        ("The harbour opened in 1911.", "When did The harbour open?"),
        ("The film was directed by Ilse Brandt.", "Who directed The film?"),
        ("Reddit features submissions.", "What does Reddit feature?"),
        ("The museum has three ships.", "How many ships does The museum have?"),
        ("Rod Laver is a former athlete.", "What is Rod Laver?"),
    ],
)
def test_a_claim_becomes_a_question_that_it_answers(claim: str, asked: str) -> None:
    assert asked in questions(claim, WORDS, random.Random(1))


@pytest.mark.parametrize("claim", ["Detroit is not in Lund.", "Gulls.", "", "He ate only fish in 1911."])
def test_what_denies_or_says_too_little_gives_none(claim: str) -> None:
    assert questions(claim, WORDS, random.Random(1)) == []


def test_the_subject_is_what_stands_before_the_verb() -> None:
    assert subject_of("The Harbour of Lund was opened in 1911.") == "The Harbour of Lund"


@pytest.mark.parametrize(
    "sentence",
    [
        "It opened in 1911.",
        "Forty-two boats and seven ships came.",
        "The harbour is deep.",
        "It never closed.",
        "It closed in March.",
        "The northern pier is longer.",
    ],
)
def test_an_edited_sentence_says_something_else(sentence: str) -> None:
    for seed in range(20):
        changed = falsified(sentence, ["York"], random.Random(seed))
        assert changed and changed != sentence


def test_a_sentence_with_nothing_to_change_is_left_alone() -> None:
    assert falsified("Gulls fly.", [], random.Random(1)) == ""


def test_names_are_capitalised_words_inside_a_sentence() -> None:
    assert names_in("The mayor of Lund met Ilse Brandt.") == ["Lund", "Ilse Brandt"]
