from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eval.measures import (
    MEASURES,
    PER_CASE,
    abstention_precision,
    abstention_recall,
    answer_correct,
    answer_rouge_l,
    answer_token_f1,
    citation_exact,
    citation_precision,
    citation_recall,
    groundedness,
    measure_case,
)
from eval.types import ResolvedCase
from tests.eval.story import (
    CORPUS,
    HARBOUR,
    abstention,
    answer,
    citation,
    passage,
    resolved_case,
)

OPENED_AT = ("doc-h", "The harbour opened in 1912.")
CRANES_AT = ("doc-h", "It has 12 cranes.")
SHIPS_AT = ("doc-h", "About 13,000 ships call each year.")
MUSEUM_OPENED_AT = ("doc-m", "The harbour opened in 1912, it says.")


@pytest.fixture
def opened(tmp_path: Path) -> ResolvedCase:
    return resolved_case(
        tmp_path / "port",
        answers=["1912"],
        evidence=[{"source": "harbour.txt", "quote": "The harbour opened in 1912."}],
    )


@pytest.fixture
def owner(tmp_path: Path) -> ResolvedCase:
    return resolved_case(tmp_path / "port", answerable=False)


def test_a_perfect_answer_gets_1_everywhere(opened: ResolvedCase) -> None:
    perfect = answer(OPENED_AT, passages=[passage("doc-h", HARBOUR)])
    assert measure_case(opened, perfect, CORPUS) == {
        "answer_correct": 1.0,
        "token_f1": 1.0,
        "rouge_l": 1.0,
        "citation_exact": 1.0,
        "citation_precision": 1.0,
        "citation_recall": 1.0,
        "groundedness": 1.0,
        "abstention_precision": None,
        "abstention_recall": None,
        "recall_at_5": 1.0,
        "ndcg_at_10": 1.0,
        "rr": 1.0,
        "failed": 0.0,
    }


def test_a_citation_one_character_off_is_not_exact(opened: ResolvedCase) -> None:
    good = answer(OPENED_AT, CRANES_AT)
    off = replace(good.citations[1], start_char=good.citations[1].start_char + 1)
    assert citation_exact(good, CORPUS.texts) == 1.0
    assert citation_exact(replace(good, citations=(good.citations[0], off)), CORPUS.texts) == 0.0


def test_an_empty_or_outlandish_span_is_not_exact() -> None:
    good = answer(OPENED_AT)
    for change in (
        {"start_char": 5, "end_char": 5, "cited_text": ""},
        {"start_char": -5, "end_char": -1, "cited_text": HARBOUR[-5:-1]},
        {"end_char": len(HARBOUR) + 9, "start_char": 0, "cited_text": HARBOUR},
        {"document_id": "gone"},
    ):
        changed = citation(1, *OPENED_AT, **change)
        assert citation_exact(replace(good, citations=(changed,)), CORPUS.texts) == 0.0, change


def test_exactness_does_not_apply_without_citations() -> None:
    assert citation_exact(abstention(), CORPUS.texts) is None


def test_precision_is_the_share_of_citations_that_point_at_evidence(opened: ResolvedCase) -> None:
    assert citation_precision(opened, answer(OPENED_AT, CRANES_AT, SHIPS_AT)) == pytest.approx(1 / 3)
    assert citation_precision(opened, replace(answer(OPENED_AT), citations=())) == 0.0
    assert citation_precision(opened, abstention()) is None


def test_the_same_place_in_another_document_is_not_evidence_but_in_a_copy_it_is(opened: ResolvedCase) -> None:
    elsewhere = citation(1, *OPENED_AT, document_id="doc-x", text_sha256="other")
    copy = citation(1, *OPENED_AT, document_id="doc-copy")
    assert citation_precision(opened, replace(answer(OPENED_AT), citations=(elsewhere,))) == 0.0
    assert citation_precision(opened, replace(answer(OPENED_AT), citations=(copy,))) == 1.0


def test_any_alternative_of_a_group_will_do_and_each_group_is_needed(tmp_path: Path) -> None:
    case = resolved_case(
        tmp_path / "port",
        evidence=[
            {"source": "harbour.txt", "quote": OPENED_AT[1], "group": 1},
            {"source": "museum.txt", "quote": MUSEUM_OPENED_AT[1], "group": 1},
            {"source": "harbour.txt", "quote": CRANES_AT[1], "group": 2},
        ],
    )
    assert citation_recall(case, answer(MUSEUM_OPENED_AT, CRANES_AT)) == 1.0
    assert citation_recall(case, answer(OPENED_AT, MUSEUM_OPENED_AT)) == 0.5
    assert citation_recall(case, answer(SHIPS_AT)) == 0.0
    assert citation_recall(case, abstention()) == 0.0
    assert citation_recall(case, replace(answer(OPENED_AT), abstained=True)) == 0.0
    assert citation_precision(case, answer(OPENED_AT, MUSEUM_OPENED_AT)) == 1.0


def test_evidence_without_groups_is_one_group_of_alternatives(tmp_path: Path) -> None:
    case = resolved_case(
        tmp_path / "port",
        evidence=[
            {"source": "harbour.txt", "quote": OPENED_AT[1]},
            {"source": "museum.txt", "quote": MUSEUM_OPENED_AT[1]},
        ],
    )
    assert citation_recall(case, answer(MUSEUM_OPENED_AT)) == 1.0


def test_an_answer_must_say_one_of_answers_and_each_part_of_answers_all(tmp_path: Path) -> None:
    case = resolved_case(tmp_path / "port", answers=["1912", "1913"], answers_all=["cranes", ["12", "twelve"]])
    assert answer_correct(case, answer(OPENED_AT, CRANES_AT)) == 1.0
    assert answer_correct(case, answer(CRANES_AT)) == 0.0  # no year
    assert answer_correct(case, answer(OPENED_AT)) == 0.0  # 12 within 1912 is no number of cranes
    assert answer_correct(case, replace(answer(OPENED_AT, CRANES_AT), abstained=True)) == 0.0


def test_correctness_does_not_apply_where_no_answer_is_stated(tmp_path: Path, owner: ResolvedCase) -> None:
    case = resolved_case(tmp_path / "port", evidence=[{"source": "harbour.txt", "quote": OPENED_AT[1]}])
    assert answer_correct(case, answer(OPENED_AT)) is None
    assert answer_correct(owner, answer(OPENED_AT)) is None


def test_overlap_of_words_is_with_the_best_reference(tmp_path: Path) -> None:
    case = resolved_case(
        tmp_path / "port",
        answers=["gulls"],
        evidence=[{"source": "harbour.txt", "quote": CRANES_AT[1]}],
    )
    assert answer_token_f1(case, answer(CRANES_AT)) == 1.0
    assert answer_rouge_l(case, answer(CRANES_AT)) == 1.0
    assert answer_token_f1(case, abstention()) == 0.0


def test_a_sentence_is_grounded_when_supported_and_footnoted(opened: ResolvedCase) -> None:
    good = answer(OPENED_AT, CRANES_AT)
    unsupported = replace(good.sentences[1], verdict="unsupported")
    unjudged = replace(good.sentences[1], verdict="unjudged")
    bare = replace(good.sentences[1], citations=())
    unverified = replace(good.citations[1], verified=False)
    assert groundedness(good) == 1.0
    for sentence in (unsupported, unjudged, bare):
        assert groundedness(replace(good, sentences=(good.sentences[0], sentence))) == 0.5
    assert groundedness(replace(good, citations=(good.citations[0], unverified))) == 0.5
    assert groundedness(replace(good, sentences=())) == 0.0
    assert groundedness(abstention()) is None


def test_abstaining_where_there_is_an_answer_costs_precision(opened: ResolvedCase, owner: ResolvedCase) -> None:
    assert abstention_precision(opened, abstention()) == 0.0
    assert abstention_precision(owner, abstention()) == 1.0
    assert abstention_precision(owner, answer(OPENED_AT)) is None


def test_answering_where_there_is_none_costs_recall(opened: ResolvedCase, owner: ResolvedCase) -> None:
    assert abstention_recall(owner, answer(OPENED_AT)) == 0.0
    assert abstention_recall(owner, abstention()) == 1.0
    assert abstention_recall(opened, abstention()) is None


def test_a_case_that_did_not_run_counts_as_0_in_all_it_is_judged_by(
    opened: ResolvedCase, owner: ResolvedCase, tmp_path: Path
) -> None:
    crashed = measure_case(opened, None, CORPUS)
    assert crashed["failed"] == 1.0
    assert {name for name, value in crashed.items() if value is None} == {"abstention_precision", "abstention_recall"}
    assert {value for name, value in crashed.items() if name != "failed" and value is not None} == {0.0}
    unanswerable = measure_case(owner, None, CORPUS)
    assert {name: value for name, value in unanswerable.items() if value is not None} == {
        "failed": 1.0,
        "abstention_recall": 0.0,
    }
    no_evidence = measure_case(resolved_case(tmp_path / "q", answers=["1912"]), None, CORPUS)
    assert no_evidence["answer_correct"] == 0.0
    assert no_evidence["citation_recall"] is None


def test_every_measure_is_reported_and_described(opened: ResolvedCase) -> None:
    assert tuple(sorted(measure_case(opened, abstention(), CORPUS))) == tuple(sorted(PER_CASE))
    assert set(MEASURES) == {*PER_CASE, "consistency", "calibration_error", "latency_p50_ms", "latency_p95_ms"}
