from __future__ import annotations

import pytest

from rag.kinds import Kind, holds, kind_of, named_noun, names_noun


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the harbour opened?", "date"),
        ("In which year did the bridge open?", "date"),
        ("How many ferries sail?", "quantity"),
        ("How much did the bridge cost?", "amount"),
        ("What did it cost?", "amount"),
        ("Who designed it and in which role?", "person"),
        ("Where does the ferry land?", "place"),
        ("What is the name of the ferry?", "name"),
        ("What happens to sailors who are hurt?", "open"),  # "who" joins a clause and asks nothing
        ("How do the pilots work?", "open"),
    ],
)
def test_the_question_says_what_kind_of_answer_it_wants(question: str, kind: Kind) -> None:
    assert kind_of(question) == kind


def test_of_two_kinds_the_one_named_first_counts() -> None:
    assert kind_of("How many sailors were paid?") == "quantity"


@pytest.mark.parametrize(
    ("kind", "sentence", "found"),
    [
        ("amount", "The crossing is free.", True),
        ("amount", "The town refused compensation.", True),
        ("amount", "It cost 4 million crowns.", True),
        ("amount", "The crossing takes an hour.", False),
        ("quantity", "Hundreds of sailors came.", True),
        ("quantity", "Sailors came.", False),
        ("date", "It opened in 1925.", True),
        ("person", "It was designed by Ada Holm.", True),
        ("open", "Anything at all.", True),
    ],
)
def test_a_sentence_holds_the_kind_or_not(kind: Kind, sentence: str, found: bool) -> None:
    assert holds(kind, sentence, frozenset()) is found


def test_what_the_question_says_itself_is_no_answer() -> None:
    assert not holds("date", "In 1925 there was a storm.", frozenset({"1925"}))


@pytest.mark.parametrize(
    ("question", "noun"),
    [
        ("Which hospital treats them?", "hospital"),
        ("What is the name of the ferry that sails at noon?", "ferry"),
        ("Who built it?", ""),
    ],
)
def test_a_name_is_asked_of_some_thing(question: str, noun: str) -> None:
    assert named_noun(question) == noun


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("They lie in Park Hospital.", True),
        ("They lie in the hospital of Saint Anna.", True),
        ("They lie in hospitals and at home.", False),
    ],
)
def test_a_thing_has_a_name_beside_it_or_not(text: str, named: bool) -> None:
    assert names_noun("hospital", text) is named
