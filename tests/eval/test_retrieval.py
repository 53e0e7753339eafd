from __future__ import annotations

from math import log2
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.measures import retrieval
from eval.retrieval import measure_ranking, ranked_documents
from eval.types import ResolvedCase
from tests.eval.story import CORPUS, HARBOUR, answer, passage, resolved_case

OPENED = "The harbour opened in 1912."
CRANES = "It has 12 cranes."
SHIPS = "About 13,000 ships call each year."
PILOTS = "The pilots live in Odde."


@pytest.fixture
def both(tmp_path: Path) -> ResolvedCase:
    """Needs the opening, from either document, and the cranes."""
    return resolved_case(
        tmp_path / "port",
        evidence=[
            {"source": "harbour.txt", "quote": OPENED, "group": "opening"},
            {"source": "museum.txt", "quote": "The harbour opened in 1912, it says.", "group": "opening"},
            {"source": "harbour.txt", "quote": CRANES, "group": "cranes"},
        ],
    )


def test_the_first_passage_that_covers_a_group_stands_for_it(both: ResolvedCase) -> None:
    ranked = ranked_documents(
        [
            passage("doc-h", PILOTS),
            passage("doc-m", "The harbour opened in 1912, it says."),
            passage("doc-h", OPENED),  # the group is already covered
            passage("doc-h", CRANES),
        ],
        both,
        CORPUS.text_sha256,
    )
    assert ranked == [["other:1"], ["group:opening"], ["other:3"], ["group:cranes"]]


def test_a_passage_may_cover_two_groups_or_half_of_a_span(both: ResolvedCase) -> None:
    assert ranked_documents([passage("doc-h", HARBOUR)], both, CORPUS.text_sha256) == [
        ["group:opening", "group:cranes"]
    ]
    assert ranked_documents([passage("doc-h", CRANES[:9])], both, CORPUS.text_sha256) == [["group:cranes"]]
    assert ranked_documents([passage("doc-h", CRANES[:8])], both, CORPUS.text_sha256) == [["other:1"]]


def test_ndcg_by_hand() -> None:
    measured = measure_ranking([["other:1"], ["group:a"], ["other:3"], ["group:b"]], ["a", "b"])
    ideal = 1 / log2(2) + 1 / log2(3)
    assert measured["ndcg_at_10"] == pytest.approx((1 / log2(3) + 1 / log2(5)) / ideal)
    assert measured["rr"] == 0.5
    assert measured["recall_at_5"] == 1.0


def test_the_sixth_passage_is_too_late_for_recall_at_5() -> None:
    ranked = [["group:a"], *([f"other:{n}"] for n in range(2, 6)), ["group:b"]]
    assert measure_ranking(ranked, ["a", "b"])["recall_at_5"] == 0.5


def test_the_fifth_passage_counts_for_all_it_covers() -> None:
    ranked = [*([f"other:{n}"] for n in range(1, 5)), ["group:a", "group:b"]]
    assert measure_ranking(ranked, ["a", "b"])["recall_at_5"] == 1.0


def test_nothing_retrieved_counts_as_0(both: ResolvedCase) -> None:
    assert retrieval(both, answer(), CORPUS) == {"recall_at_5": 0.0, "ndcg_at_10": 0.0, "rr": 0.0}


def test_retrieval_does_not_apply_without_evidence(tmp_path: Path) -> None:
    case = resolved_case(tmp_path / "port", answerable=False)
    found = retrieval(case, answer(passages=[passage("doc-h", SHIPS)]), CORPUS)
    assert found == {"recall_at_5": None, "ndcg_at_10": None, "rr": None}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=14), st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]])
)
def test_the_library_agrees_with_a_slow_oracle(covered: list[str], groups: list[str]) -> None:
    ranked: list[list[str]] = []
    gains: list[int] = []
    seen: set[str] = set()
    for rank, group in enumerate(covered, start=1):
        new = group in groups and group not in seen
        seen.add(group)
        ranked.append([f"group:{group}"] if new else [f"other:{rank}"])
        gains.append(int(new))
    dcg = sum(gain / log2(rank + 1) for rank, gain in enumerate(gains[:10], start=1))
    ideal = sum(1 / log2(rank + 1) for rank in range(1, len(groups) + 1))
    measured = measure_ranking(ranked, groups)
    assert measured["ndcg_at_10"] == pytest.approx(dcg / ideal)
    assert measured["recall_at_5"] == pytest.approx(sum(gains[:5]) / len(groups))
    assert measured["rr"] == pytest.approx(1 / (gains.index(1) + 1) if 1 in gains else 0.0)
