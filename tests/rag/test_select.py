from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.types import Hit
from rag.asked import _MAX_SUFFIX, _MIN_STEM, _has_variant, ask, asks_several, coverage, focus_of, match
from rag.read import Reading
from rag.select import candidates, reread, select, worth_reading
from tests.rag.corpus import flat, hit


def quoted(question: str, *hits: Hit) -> list[str]:
    return [candidate.sentence.text for candidate in select(question, candidates(question, hits, flat))]


def test_the_sentence_that_says_it_is_quoted_and_the_others_are_not() -> None:
    port = hit(("The harbour was opened in 1925.", 0.7), ("Gulls live on the cliffs nearby.", 0.1))
    assert quoted("When was the harbour opened?", port) == ["The harbour was opened in 1925."]


def test_a_sentence_with_the_number_asked_for_beats_one_that_is_nearer_in_meaning() -> None:
    port = hit(("Sailors came to the harbour.", 0.62), ("Hundreds of sailors came to the harbour.", 0.6))
    ranked = candidates("How many sailors came to the harbour?", [port], flat)
    assert ranked[0].sentence.text.startswith("Hundreds")


def test_beside_the_best_sentence_only_numbers_answer_how_many() -> None:
    port = hit(("Sailors from the islands came to the port.", 0.6), ("Forty sailors came to the port.", 0.6))
    assert quoted("How many sailors came to the port?", port) == ["Forty sailors came to the port."]


def test_who_asks_how_many_and_one_thing_more_gets_both() -> None:
    port = hit(
        ("Some 300 sailors came to the port in 1925.", 0.6),
        ("That was twice as much as in 1924.", 0.8),
        ("Hardly any of the sailors stayed.", 0.4),
    )
    number = "Some 300 sailors came to the port in 1925."
    assert quoted("How many sailors came to the port in 1925?", port) == [number]
    both = [number, "That was twice as much as in 1924."]
    assert quoted("How many sailors came to the port in 1925, and how does that compare?", port) == both
    assert quoted("How many sailors came to the port in 1925, and how does that compare with 1924?", port) == both


def test_a_heading_above_and_the_sentence_before_lend_their_words() -> None:
    under = hit(("It opened in 1925.", 0.4), row=0, headings=["Harbour of Lund"])
    elsewhere = hit(("It opened in 1931.", 0.4), row=1, headings=["School"])
    ranked = candidates("When did the harbour of Lund open?", [under, elsewhere], flat)
    assert ranked[0].sentence.text == "It opened in 1925."
    assert ranked[0].coverage > ranked[1].coverage


def test_free_answers_what_it_cost_without_the_word() -> None:
    port = hit(("The crossing was absolutely free.", 0.2), ("The crossing takes an hour.", 0.2))
    assert quoted("What did the crossing cost?", port)[0] == "The crossing was absolutely free."


def test_what_stands_right_under_a_term_explains_it() -> None:
    mention = hit(("The pilots rest at the lazaret.", 0.6), row=0)
    entry = hit(
        ("Lazaret", 0.7), ("A place where sailors wait.", 0.4), ("Few are left.", 0.4), row=1, headings=["Lazaret"]
    )
    assert quoted("What is a lazaret?", mention, entry)[0] == "A place where sailors wait."
    said = hit(("Lazaret: a place where sailors wait.", 0.4), row=1)
    assert quoted("What is a lazaret?", mention, said)[0] == "Lazaret: a place where sailors wait."


def test_what_the_reader_holds_for_unlikely_is_not_quoted_beside_the_best() -> None:
    question = "Who came to the harbour?"
    port = hit(("Sailors of Lund came to the harbour.", 0.7), ("Pilots of Kiel came to the harbour.", 0.7), row=0)
    unread = hit(("Traders of York came to the harbour.", 0.7), row=1)
    ranked = candidates(question, [port, unread], flat)

    def quoted_beside(*logits: float) -> list[str]:
        chosen = select(question, reread(ranked, {0: Reading(logits, max(logits))}))
        return [candidate.sentence.text.split()[0] for candidate in chosen]

    assert quoted_beside(0.0, -2.9) == ["Sailors", "Pilots", "Traders"]
    assert quoted_beside(0.0, -3.1) == ["Sailors", "Traders"]
    assert quoted_beside(-3.2, -3.1)[0] == "Pilots"  # the best there is stands, whatever it is held for


def test_a_heading_is_quoted_only_where_it_says_something() -> None:
    headline = "Hundreds of wounded sailors came to the harbour of Lund on Monday"
    news = hit((headline, 0.7), ("They came by boat.", 0.3), headings=[headline])
    assert quoted("How many sailors came to the harbour?", news)[0] == headline
    title = "Sailors in the harbour"
    assert title not in quoted("How many sailors are in the harbour?", hit((title, 0.7), headings=[title]), news)


def test_a_question_is_never_quoted() -> None:
    assert quoted("When was it opened?", hit(("When was it opened?", 0.9), ("It was opened in 1925.", 0.5))) == [
        "It was opened in 1925."
    ]


def test_what_says_the_same_again_is_left_out() -> None:
    port, again = hit(("The pilots warn of storms.", 0.7)), hit(("The pilots warn of storms.", 0.7), row=1)
    assert quoted("What do the pilots warn of?", port, again) == ["The pilots warn of storms."]


def test_sentences_of_one_passage_are_quoted_in_its_order() -> None:
    port = hit(("The pilots warn of heavy autumn rain.", 0.6), ("They also warn the pilots' guild of fog.", 0.7))
    assert quoted("What do the pilots warn of?", port)[0] == "The pilots warn of heavy autumn rain."


def test_a_sentence_that_scores_below_zero_is_still_the_best_there_is() -> None:
    assert len(quoted("What is a quark?", hit(("Gulls fly.", -0.3)))) == 1


def test_nothing_found_is_nothing_quoted() -> None:
    assert quoted("When?") == []


def test_the_last_sentence_asks_and_the_ones_before_say_what_about() -> None:
    question = "How many sailors came? What did it cost?"
    asked = ask(question, flat)
    assert focus_of(question) == "What did it cost?"
    assert asked.kind == "amount"
    assert asked.weights["cost"] > asked.weights["sailor"] > 0


@pytest.mark.parametrize(
    ("question", "focus"),
    [
        ("Who built the church of St. Andrew?", "Who built the church of St. Andrew?"),
        ("how fast was the u.s. navy", "how fast was the u.s. navy"),
        ("What did E. W. Scripps own?", "What did E. W. Scripps own?"),
        ("1. what are the duties", "1. what are the duties"),
        ("My harbour master left. who comes now?", "who comes now?"),
        ("He lives in the U.S.? Since when?", "Since when?"),
    ],
)
def test_an_abbreviation_does_not_end_a_question(question: str, focus: str) -> None:
    assert focus_of(question) == focus


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("How many came in 2024 and how does that compare?", True),
        ("Who said so, and in which role?", True),
        ("Which cities are they going to and what are they to do there?", True),
        ("When and how was the harbour built?", False),
        ("How many sailors and soldiers came?", False),
        ("Who are the people who came and where is their ship?", True),
        ("Where are the soldiers who were hurt and brought here?", False),
        ("How many came? And how does that compare?", False),  # only the last sentence asks
    ],
)
def test_two_questions_in_one_are_told_from_one(question: str, several: bool) -> None:
    assert asks_several(question) is several


def test_names_and_numbers_are_told_from_ordinary_words() -> None:
    assert ask("How many sailors came to Lund in 1925?", flat).names == {"lund", "1925"}
    assert ask("WHO CAME TO LUND?", flat).names == frozenset()  # capitals that mean nothing


def test_a_variant_or_a_related_word_covers_in_part() -> None:
    assert match("treatment", {"treat"}) == 0.8
    assert match("warn", {"said", "fear"}) == 0.8
    assert match("lund", {"york"}) == 0.0
    assert coverage({"lund": 1.0, "harbour": 3.0}, {"harbour"}) == 0.75
    assert coverage({}, {"harbour"}) == 0.0


def test_up_to_so_many_of_the_best_are_quoted_when_that_is_asked_for() -> None:
    port = hit(
        ("The harbour was opened in 1925.", 0.7),
        ("The harbour was opened in 1925.", 0.69),
        ("The harbour was blessed in May.", 0.75),
        ("The harbour had been dug by hand.", 0.72),
        ("Gulls live here.", 0.1),
    )
    question = "When was the harbour opened?"
    ranked = candidates(question, [port], flat)
    assert [one.sentence.text for one in select(question, ranked, 1)] == ["The harbour was opened in 1925."]
    near = ["The harbour was opened in 1925.", "The harbour was blessed in May.", "The harbour had been dug by hand."]
    assert [one.sentence.text for one in select(question, ranked, 2)] == near[:2]
    assert [one.sentence.text for one in select(question, ranked, 9)] == near  # in reading order, none twice
    assert select(question, [], 3) == []


@given(
    cosines=st.lists(st.lists(st.floats(0.3, 0.7), min_size=1, max_size=4), min_size=1, max_size=8),
    logits=st.lists(st.floats(-9, 9), min_size=32, max_size=32),
    most=st.integers(0, 10),
)
def test_all_that_is_quoted_was_read_and_nothing_twice(
    cosines: list[list[float]], logits: list[float], most: int
) -> None:
    question, names = "Who came to the harbour?", iter(f"{one}{other}" for one in "BDFGKLMNPR" for other in "aeiou")
    hits = [
        hit(*((f"{next(names)}ra Lo{next(names)}s came.", cosine) for cosine in each[:2]), row=row)
        for row, each in enumerate(cosines)
    ]
    ranked = first = candidates(question, hits, flat)
    readings: dict[int, Reading] = {}
    chosen = select(question, ranked, most)
    while passages := worth_reading(ranked, chosen, readings):
        assert not readings.keys() & {passage.row for passage in passages}
        for passage in passages:
            own = tuple(logits[passage.row * 4 :][: len(passage.sentences)])
            readings[passage.row] = Reading(own, max(own))
        ranked = reread(first, readings)
        chosen = select(question, ranked, most)
    assert {candidate.passage.row for candidate in chosen} <= readings.keys()


def test_the_reader_reads_on_while_no_passage_is_likely_to_answer() -> None:
    port = hit(("The harbour was opened in 1925.", 0.7))
    others = [hit(("Gulls live on the cliffs.", 0.1), row=row) for row in range(1, 5)]
    question = "When was the harbour opened?"
    ranked = first = candidates(question, [port, *others], flat)
    begun = worth_reading(ranked, select(question, ranked), {})
    assert [passage.row for passage in begun] == [0, 1]
    ranked = reread(first, {0: Reading((2.0,), 2.0), 1: Reading((-4.0,), -4.0)})
    assert worth_reading(ranked, select(question, ranked), {0, 1}) == []
    assert worth_reading(ranked, first, {0, 1}) == [other.passage for other in others[1:]]  # were they to be quoted
    ranked = reread(first, {0: Reading((0.5,), 0.5), 1: Reading((-4.0,), -4.0)})
    assert worth_reading(ranked, select(question, ranked), {0, 1}) == [other.passage for other in others[1:3]]
    assert worth_reading(ranked, select(question, ranked), set(range(5))) == []
    assert worth_reading([], [], {}) == []


def test_a_reader_s_doubt_keeps_a_sentence_out_however_many_are_asked_for() -> None:
    port = hit(("Sailors of Lund came to the harbour.", 0.7), ("Pilots of Kiel came to the harbour.", 0.7))
    ranked = reread(candidates("Who came to the harbour?", [port], flat), {0: Reading((0.0, -3.1), 1.0)})
    assert [one.sentence.text.split()[0] for one in select("Who came to the harbour?", ranked, 5)] == ["Sailors"]


@given(
    term=st.text("abc", min_size=1, max_size=9), present=st.sets(st.text("abc", min_size=1, max_size=12), max_size=8)
)
def test_a_variant_is_found_as_by_a_look_at_every_word(term: str, present: set[str]) -> None:
    def is_variant(one: str, other: str) -> bool:
        shorter, longer = sorted((one, other), key=len)
        return longer.startswith(shorter) and len(shorter) >= _MIN_STEM and len(longer) - len(shorter) <= _MAX_SUFFIX

    assert _has_variant(term, present - {term}) == any(is_variant(term, other) for other in present - {term})
