from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from index.types import Hit
from rag.abstain import NO_EVIDENCE, Evidence, confidence, weigh
from rag.read import Reading
from rag.select import candidates, reread, select
from tests.rag.corpus import flat, hit

WARDS = hit(
    ("Hundreds of sailors are treated in hospitals on the coast.", 0.6),
    ("The town of Lund pays for everything.", 0.3),
    title="Sailors on the coast",
)


def evidence(question: str, *hits: Hit) -> Evidence:
    ranked = candidates(question, hits, flat)
    return weigh(question, ranked, select(question, ranked), flat)


def test_what_the_passage_says_is_answered() -> None:
    assert confidence(evidence("How many sailors are treated in hospitals?", WARDS)) > 0.5


def test_what_it_does_not_say_is_not() -> None:
    other = hit(("Hundreds of sailors are treated in hospitals on the coast.", 0.05))
    assert confidence(evidence("Who won the election?", other)) < 0.1


def test_a_missing_name_costs_more_than_a_missing_word() -> None:
    name = evidence("How many sailors are treated in York?", WARDS)
    word = evidence("How many sailors are treated in winter?", WARDS)
    assert (name.missing_names, word.missing_names) == (1, 0)
    assert confidence(name) < confidence(word)


def test_a_year_that_is_not_there_is_a_missing_name() -> None:
    assert evidence("How many sailors were treated in 2019?", WARDS).missing_names == 1


def test_a_name_in_the_title_is_not_missing() -> None:
    assert evidence("How many sailors?", hit(("Forty came.", 0.4), title="York")).missing_names == 0
    assert evidence("How many came to York?", hit(("Forty came.", 0.4), title="York")).missing_names == 0


def test_a_thing_without_a_name_does_not_answer_what_it_is_called() -> None:
    assert evidence("Which hospital treats the sailors?", WARDS).unnamed == 1.0
    named = hit(("The sailors are treated in Park Hospital.", 0.6))
    assert evidence("Which hospital treats the sailors?", named).unnamed == 0.0
    assert evidence("Which newspaper writes about sailors?", WARDS).unnamed == 0.5


def test_the_hurt_do_not_answer_how_many_died() -> None:
    asked = "How many of the sailors in the hospitals died?"
    silent = evidence(asked, WARDS)
    told = evidence(asked, hit(("Hundreds of sailors are treated in hospitals on the coast, and nobody died.", 0.6)))
    assert silent.no_death and not told.no_death
    assert confidence(replace(silent, no_death=False)) > 0.5 > confidence(silent)
    assert not evidence("Do sailors in hospitals die?", WARDS).no_death  # "all went home" answers that too
    assert not evidence("How many sailors were hurt?", WARDS).no_death
    assert not evidence("When did he die?", hit(("He came in 1925.", 0.6), headings=["Funeral of a captain"])).no_death


def test_nothing_found_is_no_evidence() -> None:
    assert evidence("Who came?") == NO_EVIDENCE
    assert confidence(NO_EVIDENCE) < 0.05


share = st.floats(0.0, 1.0)
some = st.builds(
    Evidence, share, share, share, st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0]), st.booleans(), st.booleans()
)


@given(some, share)
def test_more_evidence_never_makes_less_sure(found: Evidence, more: float) -> None:
    sure = confidence(found)
    assert 0.0 <= sure <= 1.0
    assert confidence(replace(found, cosine=max(found.cosine, more))) >= sure - 1e-12
    assert confidence(replace(found, coverage=max(found.coverage, more))) >= sure - 1e-12
    assert confidence(replace(found, passage_coverage=max(found.passage_coverage, more))) >= sure - 1e-12
    assert confidence(replace(found, missing_names=0, unnamed=0.0, kind_found=True)) >= sure - 1e-12
    assert confidence(replace(found, no_death=False)) >= sure - 1e-12
    read = replace(found, was_read=True, passage_read=-more)
    assert confidence(replace(read, passage_read=more)) >= confidence(read)


def test_the_words_tried_out_are_those_that_nothing_quoted_holds() -> None:
    question = "How many sailors fly to hospitals?"
    ranked = candidates(question, (WARDS,), flat)
    tried: list[str] = []

    def try_out(words: Sequence[tuple[int, int]]) -> float:
        tried.extend(question[start:end] for start, end in words)
        return 0.1

    found = weigh(question, ranked, select(question, ranked), flat, try_out)
    assert tried == ["fly"]
    assert found.foreign == 0.1
    assert confidence(found) < confidence(replace(found, foreign=0.0))


def test_of_many_passages_read_those_of_the_two_best_count() -> None:
    question = "Who came to the harbour?"
    hits = [hit((f"Sailors of Lund came to the harbour in year {row}.", 0.7 - row / 5), row=row) for row in range(3)]
    first = candidates(question, hits, flat)

    def passage_read(*logits: float) -> float:
        ranked = reread(first, {row: Reading((logit,), logit) for row, logit in enumerate(logits)})
        assert [candidate.passage.row for candidate in ranked] == [0, 1, 2]
        return weigh(question, ranked, select(question, ranked), flat).passage_read

    assert passage_read(1.0, 1.2) == 1.2
    assert passage_read(1.0, 0.9, 1.05) == 1.0  # of three, one is the likelier to seem to answer
