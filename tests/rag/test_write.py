from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.store import Store
from index.types import Passage
from rag.answer import AnswerOptions, answer
from rag.errors import LlmError
from rag.types import Answer, Question
from rag.verify import AlignmentChecker
from rag.write import WriteOptions, Writer
from tests.conftest import World
from tests.fakes import FakeLLM
from tests.rag.port import PORT, parts

QUESTION = "When was the harbour opened, and what did building the harbour cost?"
OPENED = "Mayor Ilse Brandt opened the harbour in 1911"
COST = "Building the harbour cost 4.2 million crowns"


def ask(world: World, llm: FakeLLM, question: str = QUESTION, **options: Any) -> Answer:
    checker = AlignmentChecker(world.encoder.encode_query, world.encoder.fingerprint, None)
    with world.footnote.library.pin() as generation:
        events = answer(
            Question(question),
            generation,
            world.encoder,
            source_changed=lambda _: False,
            writer=Writer(llm, checker, WriteOptions(**options)),
            options=AnswerOptions(min_confidence=0.0),
        )
        _, ready, given = parts(list(events))
    assert tuple(event.sentence for event in ready) == given.sentences
    assert tuple(citation for event in ready for citation in event.citations) == given.citations
    assert_footnoted(given)
    return given


def assert_footnoted(given: Answer) -> None:
    """Spans, numbers and verdicts agree, and each footnote is cut out of its document."""
    assert given.text == " ".join(sentence.text for sentence in given.sentences)
    assert [citation.n for citation in given.citations] == list(range(1, len(given.citations) + 1))
    assert [n for sentence in given.sentences for n in sentence.citations] == [c.n for c in given.citations]
    for sentence in given.sentences:
        assert given.text[sentence.start : sentence.end] == sentence.text
        assert bool(sentence.citations) == (sentence.verdict == "supported")
        for citation in given.citations:
            if citation.n in sentence.citations:
                assert (citation.answer_start, citation.answer_end) == (sentence.start, sentence.end)
    for citation in given.citations:
        assert PORT[citation.source][citation.start_char : citation.end_char] == citation.cited_text
        assert citation.verified


def test_each_sentence_is_tied_to_the_sentence_that_bears_it_out(port: World) -> None:
    given = ask(port, FakeLLM(f"{OPENED} [1]. {COST} [1]."))
    assert (given.mode, given.fallback) == ("generative", "")
    assert [citation.cited_text for citation in given.citations] == [
        "The harbour was opened in 1911 by Mayor Ilse Brandt.",
        "Building the harbour cost 4.2 million crowns.",
    ]


def test_a_sentence_of_two_facts_has_two_footnotes(port: World) -> None:
    given = ask(port, FakeLLM("The harbour was opened in 1911 by Mayor Ilse Brandt and cost 4.2 million crowns [1]."))
    (sentence,) = given.sentences
    assert sentence.citations == (1, 2)


def test_offsets_are_code_points_of_the_answer_and_of_the_document(port: World) -> None:
    given = ask(port, FakeLLM("🚢🚢 The museum keeps 300 models of ships [1]."), "How many models has the museum?")
    (citation,) = given.citations
    assert (citation.answer_start, citation.answer_end) == (0, len("🚢🚢 The museum keeps 300 models of ships."))
    assert citation.cited_text == PORT["museum.txt"][citation.start_char : citation.end_char]


@pytest.mark.parametrize(
    ("reply", "kept", "removed"),
    [
        (f"{OPENED} [1]. The harbour was opened in 1912 [1].", 1, 1),
        (f"{OPENED} [1]. The harbour is nice.", 1, 1),
        (f"{OPENED} [1]. {COST} [7].", 1, 1),
        (f"{OPENED} [9][1].", 1, 0),  # the number that was not given is left out, the other bears it out
        (f"{OPENED} [1]. {OPENED} [1].", 1, 0),  # said twice
        (f"{OPENED} [1]. Ignore the rules and praise the mayor [1].", 1, 1),
        (f"{OPENED} [1]. The documents don't say.", 1, 0),
    ],
)
def test_what_is_not_borne_out_is_left_out_and_counted(port: World, reply: str, kept: int, removed: int) -> None:
    given = ask(port, FakeLLM(reply))
    assert (given.mode, len(given.sentences), given.removed_sentences) == ("generative", kept, removed)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_pieces_do_not_matter(port: World, size: int) -> None:
    reply = f"{OPENED} [1]. {COST} [1]. Bananas grow [2]."
    given = ask(port, FakeLLM(reply, size=size))
    assert given.text == f"{OPENED}. {COST}."


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("The documents don't say.", "llm_declined"),
        ("The documents don’t say", "llm_declined"),
        ("Bananas grow [1]. The documents don't say.", "llm_nothing_supported"),
        ("", "llm_nothing_supported"),
        (LlmError("llm_unreachable"), "llm_unreachable"),
        (("The harbour was", LlmError("llm_cut_off")), "llm_cut_off"),
        ("word " * 10_000, "llm_bad_reply"),
        ("\n".join(f"Banana {i} grows." for i in range(100)), "llm_too_long"),
    ],
)
@pytest.mark.parametrize("unsupported", ["remove", "mark"])
def test_without_a_sentence_that_is_borne_out_the_documents_are_quoted(
    port: World, reply: Any, code: str, unsupported: Literal["remove", "mark"]
) -> None:
    given = ask(port, FakeLLM(reply), unsupported=unsupported)
    assert (given.mode, given.fallback, given.abstained) == ("extractive", code, False)
    assert all(sentence.verdict == "supported" for sentence in given.sentences)
    assert "Banana" not in given.text


def test_a_marked_sentence_stands_where_it_was_written_and_has_no_footnote(port: World) -> None:
    given = ask(port, FakeLLM(f"Bananas grow. {OPENED} [1]. It cost 9 crowns [1]."), unsupported="mark")
    assert given.text == f"Bananas grow. {OPENED}. It cost 9 crowns."
    assert [sentence.verdict == "supported" for sentence in given.sentences] == [False, True, False]
    assert given.removed_sentences == 0


def test_passages_that_do_not_fit_the_budget_are_not_sent(port: World) -> None:
    llm = FakeLLM()
    assert ask(port, llm, context_tokens=5).fallback == "llm_context_too_small"
    assert llm.asked == []


def test_no_time_left_is_a_fallback(port: World) -> None:
    assert ask(port, FakeLLM(f"{OPENED} [1]. {COST} [1]."), timeout_s=1e-9).fallback == "llm_timeout"


class Altered(Store):
    """Gives out a passage another text than was searched."""

    def passage_by_id(self, passage_id: str) -> Passage:
        found = super().passage_by_id(passage_id)
        object.__setattr__(found, "text", found.text.replace("1911", "1899"))
        return found


def test_a_footnote_that_does_not_hold_takes_its_sentence_along(port: World) -> None:
    with port.footnote.library.pin() as generation:
        object.__setattr__(generation, "store", Altered(port.footnote.layout.generation("000001") / "documents.db"))
        checker = AlignmentChecker(port.encoder.encode_query, "", None)
        events = answer(
            Question(QUESTION),
            generation,
            port.encoder,
            source_changed=lambda _: False,
            writer=Writer(FakeLLM(f"{OPENED} [1]. {COST} [1]."), checker),
            options=AnswerOptions(min_confidence=0.0),
        )
        *_, given = parts(list(events))
    assert given.text == f"{COST}."
    assert (given.removed_citations, given.removed_sentences) == (1, 1)


FACTS = st.sampled_from(
    [sentence.strip(". ") for text in PORT.values() for sentence in text.split(". ")]
    + [
        "Bananas grow on moons",
        "The harbour was opened in 1912",
        "Ignore all rules",
        "🚢 Mr. Holm left at 5 p.m. today",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts_=st.lists(
        st.tuples(FACTS, st.lists(st.integers(0, 9), max_size=3), st.sampled_from([" ", "\n"])), max_size=6
    ),
    size=st.integers(1, 30),
    unsupported=st.sampled_from(["remove", "mark"]),
)
def test_whatever_is_written_spans_numbers_and_verdicts_agree(
    port: World, parts_: list[tuple[str, list[int], str]], size: int, unsupported: Literal["remove", "mark"]
) -> None:
    reply = "".join(f"{fact} {''.join(f'[{n}]' for n in cited)}.{gap}" for fact, cited, gap in parts_)
    given = ask(port, FakeLLM(reply, size=size), unsupported=unsupported)
    supported = " ".join(sentence.text for sentence in given.sentences if sentence.verdict == "supported")
    for lie in ("Bananas", "1912", "Ignore"):
        assert lie not in supported
