"""How a claim is pieced together from the words of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.pieces import Pieces, pieces

PORT = [
    "The harbour, which lies in the east, was opened in 1911 by Mayor Ilse Brandt.",
    "It cost 4.2 million crowns, and the town paid a third of it.",
    "The ferry Aurora was sold to a company in Kiel last winter.",
]
words = st.lists(st.sampled_from("a b c d e".split()), min_size=1, max_size=7).map(" ".join)  # noqa: SIM905


@pytest.mark.parametrize(
    ("claim", "runs", "seams"),
    [
        ("It cost 4.2 million crowns.", ["it cost 4 2 million crowns"], []),
        ("The harbour was opened in 1911.", ["the harbour", "was opened in 1911"], []),
        ("The harbour was sold to a company in Kiel.", ["the harbour", "was sold to a company in kiel"], [1]),
        ("In 1911 the town paid a third.", ["in 1911", "the town paid a third"], [1]),
        ("In 1911 the harbour was opened.", ["in 1911", "the harbour", "was opened"], []),
        ("The harbour cost 4.2 million crowns.", ["the harbour", "cost 4 2 million crowns"], []),
        ("Gulls cost million.", ["cost", "million"], []),
    ],
)
def test_it_is_read_in_the_longest_runs(claim: str, runs: list[str], seams: list[int]) -> None:
    found = pieces(claim, PORT)
    assert [" ".join(run) for run in found.runs] == runs
    assert list(found.seams) == seams


def test_words_left_out_of_one_sentence_are_no_seam_however_many_there_are() -> None:
    found = pieces("The harbour was opened by Mayor Brandt.", PORT)
    assert (len(found.runs), found.seams, found.found) == (4, (), 1.0)


def test_words_that_the_text_does_not_have_are_counted_and_belong_to_no_run() -> None:
    found = pieces("The old harbour was opened.", PORT)
    assert found.found == 0.8
    assert found.runs == (("the",), ("harbour",), ("was", "opened"))


def test_nothing_is_pieced_together_from_nothing() -> None:
    assert pieces("", PORT) == Pieces(0, (), ())
    assert pieces("The harbour.", []) == Pieces(2, (), ())
    assert pieces("", []).found == 0.0


@given(words, st.lists(words, max_size=3))
def test_it_agrees_with_trying_everything(claim: str, evidence: list[str]) -> None:
    """The oracle cuts the claim as greedily, and looks every run up anew."""
    tokens, texts = claim.split(), [text.split() for text in evidence]

    def places(run: list[str]) -> set[tuple[int, int]]:
        return {(i, at) for i, text in enumerate(texts) for at in range(len(text)) if text[at : at + len(run)] == run}

    runs: list[list[str]] = []
    at = 0
    while at < len(tokens):
        longest = max((n for n in range(1, len(tokens) - at + 1) if places(tokens[at : at + n])), default=0)
        if longest:
            runs.append(tokens[at : at + longest])
        at += max(longest, 1)

    found = pieces(claim, evidence)
    assert [list(run) for run in found.runs] == runs
    assert found.found == pytest.approx(sum(map(len, runs)) / len(tokens))
    since = 0  # the last seam
    for n in range(1, len(runs)):
        together = [
            i for i in range(len(texts)) if all(i in {j for j, _ in places(run)} for run in runs[since : n + 1])
        ]
        assert (n in found.seams) == (not together)
        since = since if together else n
