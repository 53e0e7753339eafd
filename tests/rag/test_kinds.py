from __future__ import annotations

import pytest

from rag.kinds import Kind, counted_noun, defined_term, defines, holds, kind_of, named_noun, names_noun


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


@pytest.mark.parametrize(
    ("question", "noun"),
    [
        ("How many professors will come?", "professors"),
        ("how many young sailors", "sailors"),
        ("How many of the wounded died?", "wounded"),
        ("How much did it cost?", ""),
    ],
)
def test_a_number_is_asked_of_some_thing(question: str, noun: str) -> None:
    assert counted_noun(question) == noun


@pytest.mark.parametrize(
    ("sentence", "counted"),
    [
        ("Hundreds of young sailors came.", True),
        ("The sailors, 40 of them, came.", True),
        ("The number of sailors rose to 40.", True),
        ("Sailors; Value: 40.", True),
        ("Forty ships came.", True),  # nothing is said of sailors: it may be another word for them
        ("The sailors will stay in two towns.", False),
    ],
)
def test_a_number_beside_something_else_does_not_count_it(sentence: str, counted: bool) -> None:
    assert holds("quantity", sentence, frozenset(), "sailors") is counted


def test_a_bare_year_counts_nothing() -> None:
    assert not holds("quantity", "Sailors came in 2024.", frozenset())
    assert holds("quantity", "Sailors came 2024.5 miles.", frozenset())


def test_a_month_is_not_answered_by_a_year() -> None:
    asked = frozenset({"in", "which", "month"})
    assert not holds("date", "It opened in 1925.", asked)
    assert holds("date", "It opened in May.", asked)


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("What is a generation in Footnote?", "generation"),
        ("what does SVO mean", "svo"),
        ("What is the price of the ticket?", ""),
    ],
)
def test_a_term_is_to_be_explained(question: str, term: str) -> None:
    assert defined_term(question) == term


@pytest.mark.parametrize(
    ("sentence", "explains"),
    [
        ("A generation is one immutable index.", True),
        ("A finished index is called a generation.", True),
        ("Each build publishes a generation, which is one immutable index.", True),
        ("The list shows which generations are kept.", False),
    ],
)
def test_a_sentence_explains_a_term_or_only_uses_it(sentence: str, explains: bool) -> None:
    assert defines("generation", sentence) is explains
