from __future__ import annotations

import random

import pytest

from eval.edits import falsified, names_in


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
