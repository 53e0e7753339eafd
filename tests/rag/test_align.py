"""How a claim's words lie in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.align import Alignment, align

PORT = [
    "The harbour was opened in 1911 by Mayor Ilse Brandt.",
    "It cost 4.2 million crowns, and the town paid a third of it.",
    "The ferry Aurora does not sail in winter.",
    "Traffic rose to 13,000 ships a year.",
]


@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        ("Ilse Brandt opened the harbour in 1911.", ()),
        ("ILSE BRANDT OPENS HARBOURS, 1911!", ()),
        ("The harbour was opened in 1912 by Ilse Brandt.", ("1912",)),
        ("The harbour was opened by Olaf Holm.", ("Olaf", "Holm")),
        ("It cost 4,200,000 crowns.", ()),
        ("13 thousand ships came.", ("came",)),
        ("Thirteen ships came.", ("Thirteen", "came")),
        ("The lighthouse is tall.", ("lighthouse", "tall")),
    ],
)
def test_words_are_matched_by_stem_and_numbers_by_value(claim: str, missing: tuple[str, ...]) -> None:
    assert align(claim, PORT).missing == missing


def test_numbers_and_names_that_are_missing_are_told_apart() -> None:
    found = align("In 1912 the harbour was opened by Olaf Holm.", PORT)
    assert found.missing_numbers == ("1912",)
    assert found.missing_names == ("Olaf", "Holm")


def test_a_quotation_is_one_whatever_its_marks_and_case() -> None:
    assert align("“the harbour was opened in 1911”", PORT).quoted
    assert not align("The harbour was opened in 1912.", PORT).quoted
    assert not align("", PORT).quoted


@pytest.mark.parametrize(
    ("claim", "denied"),
    [
        ("The ferry Aurora sails in winter.", True),
        ("The ferry Aurora doesn't sail in winter.", False),
        ("The harbour was not opened in 1911 by Mayor Ilse Brandt.", True),
        ("The harbour was opened in 1911 by Mayor Ilse Brandt.", False),
    ],
)
def test_a_denial_on_one_side_alone_is_seen(claim: str, denied: bool) -> None:
    assert align(claim, PORT).denied is denied


def test_opposites_are_seen_with_their_words() -> None:
    assert align("Traffic fell to 13,000 ships a year.", PORT).opposed == ("fell", "rose")
    assert align("Traffic rose to 13,000 ships a year.", PORT).opposed is None


def test_what_differs_from_the_sentence_that_was_copied_is_told_though_it_stands_elsewhere() -> None:
    found = align("The harbour was opened in 1911 by Mayor Aurora Brandt.", PORT)
    assert found.copied > 0.8
    assert found.differing == ("Aurora",)
    assert found.missing == ()


def test_the_sentences_that_bear_it_out_are_named() -> None:
    assert align("The harbour was opened in 1911 and cost 4.2 million crowns.", PORT).sentences == (0, 1)
    assert align("Nothing of the kind.", []).sentences == ()


@given(st.text(max_size=80), st.lists(st.text(max_size=60), max_size=4))
def test_any_texts_give_shares_and_never_raise(claim: str, evidence: list[str]) -> None:
    found = align(claim, evidence)
    for share in (found.covered_by_one, found.covered, found.covered_anywhere, found.pairs, found.copied):
        assert 0.0 <= share <= 1.0
    assert found.covered_by_one <= found.covered <= found.covered_anywhere
    assert set(found.missing_numbers) | set(found.missing_names) <= set(found.missing)


@given(st.lists(st.sampled_from(PORT), min_size=1, max_size=4, unique=True), st.sampled_from(PORT))
def test_more_text_never_loses_support(some: list[str], more: str) -> None:
    claim = "Ilse Brandt opened the harbour in 1911 for 4.2 million crowns."

    def share(found: Alignment) -> float:
        return found.covered_anywhere

    assert share(align(claim, [*some, more])) >= share(align(claim, some))
