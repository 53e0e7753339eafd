"""Who asks for all that a text counts off gets all of it."""

from __future__ import annotations

import pytest

from rag.select import candidates, select
from tests.rag.corpus import flat, hit

REPORT = (
    ("The board saw two reasons for the delay.", 0.8),
    ("The first was that the crane had broken.", 0.2),
    ("It was repaired in May.", 0.1),
    ("The second was a strike of the pilots.", 0.15),
    ("Gulls live on the quay.", 0.1),
)
CODES = (
    ("Signal code 0 means that the harbour is open.", 0.7),
    ("Signal code 1 means that a pilot has to be taken.", 0.4),
    ("Between them lies no other.", 0.3),
    ("Signal code 12 means that nobody may enter.", 0.1),
)


def quoted(question: str, *sentences: tuple[str, float], most: int = 0) -> list[str]:
    return [one.sentence.text for one in select(question, candidates(question, [hit(*sentences)], flat), most)]


def test_what_is_announced_and_counted_off_is_quoted_whole() -> None:
    assert quoted("What reasons did the board see for the delay?", *REPORT) == [
        "The board saw two reasons for the delay.",
        "The first was that the crane had broken.",
        "The second was a strike of the pilots.",
    ]


def test_what_is_numbered_is_quoted_whole() -> None:
    assert quoted("What do the signal codes mean?", *CODES) == [CODES[0][0], CODES[1][0], CODES[3][0]]


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("What was the second of the reasons for the delay?", REPORT),  # one of them
        ("What reason did the board see for the delay?", REPORT),
        ("What did the boards decide?", REPORT),  # plural, and something else
        ("What does signal code 0 mean?", CODES),
        ("What do signal codes 0 and 12 mean?", CODES),
    ],
)
def test_who_asks_for_one_or_for_something_else_does_not_get_all(
    question: str, sentences: tuple[tuple[str, float], ...]
) -> None:
    whole = {text for text, _ in sentences if text.startswith(("The first", "The second", "Signal code"))}
    assert not whole <= set(quoted(question, *sentences))


def test_a_series_ends_where_the_next_is_missing() -> None:
    idle = [("Nothing happened then.", 0.1)] * 3
    far = (*REPORT[:2], *idle, ("The second was a strike of the pilots.", 0.15))
    assert "The second was a strike of the pilots." not in quoted("What reasons did the board see for it?", *far)
    assert quoted("What reasons did the board see?", REPORT[0], *REPORT[3:]) == [REPORT[0][0]]


def test_words_that_follow_a_number_by_chance_announce_nothing() -> None:
    scores = (("Cardinals 3, Gulls 0.", 0.7), ("Cardinals 10, Gulls 1.", 0.2), ("Cardinals 17, Gulls 4.", 0.2))
    assert quoted("When do the cardinals play?", *scores) == [scores[0][0]]


def test_so_many_as_are_asked_for_are_quoted_and_no_more() -> None:
    assert quoted("What reasons did the board see for the delay?", *REPORT, most=1) == [REPORT[0][0]]
