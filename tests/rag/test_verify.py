"""One contract for every checker, and what the one that ships makes of planted faults."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.edits import falsified
from index.types import Encoder
from rag.judge import LlmChecker
from rag.read import OnnxReader
from rag.verify import AlignmentChecker, Checker
from tests.fakes import FakeEncoder, FakeReader, JudgingLLM

PORT = [
    "The harbour was opened in 1911 by Mayor Ilse Brandt.",
    "It cost 4.2 million crowns, and the town paid a third of it.",
    "The ferry Aurora does not sail in winter.",
    "Traffic rose to 13,000 ships a year.",
]
FAULTS = [
    ("a number changed", "The harbour was opened in 1912 by Mayor Ilse Brandt.", "1912"),
    ("a name swapped", "The harbour was opened in 1911 by Mayor Olaf Brandt.", "Olaf"),
    ("a name from elsewhere in the text", "The harbour was opened in 1911 by Mayor Aurora Brandt.", "Aurora"),
    ("a negation dropped", "The ferry Aurora does sail in winter.", "denies"),
    ("a negation added", "The harbour was not opened in 1911 by Mayor Ilse Brandt.", "denies"),
    ("a direction turned", "Traffic fell to 13,000 ships a year.", "fell"),
    ("a magnitude changed", "Traffic rose to 13 million ships a year.", "13"),
    ("halves of two sentences joined", "The harbour does not sail in winter.", "joins"),
]


def fake() -> Checker:
    encoder = FakeEncoder()
    return AlignmentChecker(encoder.encode_query, encoder.fingerprint, None)


def fake_with_reader() -> Checker:
    encoder = FakeEncoder()
    return AlignmentChecker(encoder.encode_query, encoder.fingerprint, FakeReader())


def judged_by_llm() -> Checker:
    return LlmChecker(JudgingLLM(), timeout_s=1.0)


@pytest.fixture(scope="module")
def shipped(real_encoder: Encoder) -> Checker:
    return AlignmentChecker(real_encoder.encode_query, real_encoder.fingerprint, OnnxReader())


@pytest.mark.parametrize("make", [fake, fake_with_reader, judged_by_llm])
class TestContract:
    def test_a_quotation_is_supported_fully(self, make: Callable[[], Checker]) -> None:
        for sentence in PORT:
            found = make().verify(sentence, PORT)
            assert (found.verdict, found.support, found.unsupported) == ("supported", 1.0, ())

    @pytest.mark.parametrize(("fault", "sentence", "named"), FAULTS)
    def test_a_planted_fault_is_not_supported_and_named(
        self, make: Callable[[], Checker], fault: str, sentence: str, named: str
    ) -> None:
        found = make().verify(sentence, PORT)
        assert found.verdict in ("unsupported", "contradicted"), fault
        assert found.support < 0.5
        assert named in found.why

    def test_a_sentence_about_something_else_is_not_supported(self, make: Callable[[], Checker]) -> None:
        found = make().verify("Bananas are grown by pilots on distant moons.", PORT)
        assert found.verdict == "unsupported"
        assert "Bananas" in found.unsupported

    @pytest.mark.parametrize(
        ("sentence", "evidence"), [("", PORT), ("  ", PORT), ("A claim.", []), ("A claim.", ["", " "])]
    )
    def test_what_cannot_be_judged_is_a_verdict(
        self, make: Callable[[], Checker], sentence: str, evidence: list[str]
    ) -> None:
        found = make().verify(sentence, evidence)
        assert (found.verdict, found.support) == ("unjudged", 0.0)
        assert found.why

    @given(sentence=st.text(max_size=80), evidence=st.lists(st.text(max_size=60), max_size=3))
    def test_any_text_gets_a_verdict_that_agrees_with_its_support(
        self, make: Callable[[], Checker], sentence: str, evidence: list[str]
    ) -> None:
        found = make().verify(sentence, evidence)
        assert 0.0 <= found.support <= 1.0
        assert (found.verdict == "supported") == (found.support >= 0.5)
        assert make().verify(sentence, evidence) == found

    def test_its_fingerprint_names_what_it_judges_with(self, make: Callable[[], Checker]) -> None:
        assert make().fingerprint == make().fingerprint
        assert fake().fingerprint != fake_with_reader().fingerprint


@pytest.mark.model
@pytest.mark.parametrize(("fault", "sentence", "named"), FAULTS)
def test_the_shipped_checker_catches_them_too(shipped: Checker, fault: str, sentence: str, named: str) -> None:
    found = shipped.verify(sentence, PORT)
    assert found.verdict in ("unsupported", "contradicted"), fault
    assert named in found.why


@pytest.mark.model
@pytest.mark.parametrize(
    "sentence",
    [
        "Mayor Ilse Brandt opened the harbour in 1911.",
        "In 1911 the harbour was opened.",
        "The harbour cost 4.2 million crowns.",
        "The Aurora does not sail in winter.",
        "Some 13,000 ships a year came when traffic rose.",
    ],
)
def test_what_is_said_in_other_order_or_shorter_is_supported(shipped: Checker, sentence: str) -> None:
    found = shipped.verify(sentence, PORT)
    assert found.verdict == "supported", found


@pytest.mark.model
def test_edited_sentences_of_the_seeds_kind_are_caught(shipped: Checker) -> None:
    """Every edit of the generator of faults, on every sentence: 19 of 20 must be seen."""
    edited = [
        falsified(sentence, ["York", "Olaf Holm"], random.Random(seed)) for sentence in PORT for seed in range(10)
    ]
    changed = [sentence for sentence in edited if sentence]
    caught = [shipped.verify(sentence, PORT).verdict != "supported" for sentence in changed]
    assert sum(caught) >= 0.95 * len(caught)
