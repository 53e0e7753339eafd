from __future__ import annotations

import numpy as np
import pytest

from index.types import Vector
from rag.foreign import foreignness, unheld_words

# Three directions: ships, hospitals, wages.
PLACE = {"ships": 0, "sailors": 0, "hospital": 1, "ward": 1, "wage": 2}


def encode(text: str) -> Vector:
    vector = np.full(3, 1e-3, dtype=np.float32)
    for word in text.lower().strip("?").split():
        if word in PLACE:
            vector[PLACE[word]] += 1.0
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


QUOTED = np.stack([encode("sailors hospital")])


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"sailor", "hospit"}, ["wage"]),
        ({"sailor", "hospit", "wage"}, []),
        (set[str](), ["sailors", "hospital", "wage"]),
    ],
)
def test_words_that_no_passage_holds_are_tried_out(held: set[str], words: list[str]) -> None:
    question = "What is the wage?" if not words else "sailors hospital wage"
    assert [question[start:end] for start, end in unheld_words(question, held)] == words


def test_a_word_that_pulls_the_question_away_is_foreign() -> None:
    question = "sailors hospital wage"
    assert foreignness(question, [(17, 21)], QUOTED, encode) > 0.1


def test_a_word_of_what_was_asked_before_counts_for_less() -> None:
    alone = foreignness("sailors hospital wage", [(17, 21)], QUOTED, encode)
    assert foreignness("wage . sailors hospital", [(0, 4)], QUOTED, encode) == pytest.approx(0.35 * alone, rel=0.01)


def test_another_name_for_what_is_said_is_not() -> None:
    question = "sailors ward"  # without "ward" it is further away
    assert foreignness(question, [(8, 12)], QUOTED, encode) == 0.0


def test_nothing_to_try_out_costs_nothing() -> None:
    def refuse(text: str) -> Vector:
        raise AssertionError(f"{text!r} was encoded")

    assert foreignness("sailors", [], QUOTED, refuse) == 0.0
    assert foreignness("sailors", [(0, 7)], np.zeros((0, 3), dtype=np.float32), refuse) == 0.0
