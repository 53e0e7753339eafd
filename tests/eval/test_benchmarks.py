from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.benchmarks import BENCHMARKS, Benchmark, Outcome, load_benchmark, outcomes, tabulate, with_quoted
from eval.benchmarks.quality import is_reported
from eval.errors import SuiteError
from eval.evidence import resolve
from eval.statistics import estimate_area
from eval.types import Failure, Record, ResolvedCase, ResolvedSuite, Suite
from rag.types import Answer, Citation, RetrievedPassage
from tests.eval.sets import FERRY, LIGHT, OPENING, TWICE, write_sets
from tests.eval.story import abstention
from tests.eval.story import answer as empty_answer
from tests.eval.story import citation as some_citation


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sets(tmp_path / "sets")


def resolved(benchmark: Benchmark) -> ResolvedSuite:
    """The benchmark's suite over its documents as plain text keeps them."""
    texts = {source: (source, content) for source, content in benchmark.documents.items()}
    return resolve(Suite(benchmark.name, "", Path(), benchmark.cases, (), ""), texts)


def answered(suite: ResolvedSuite, *quotes: tuple[str, str], passages: Sequence[tuple[str, str]] = ()) -> Answer:
    """An answer that quotes, and found, what is given as (source, text there)."""
    citations: list[Citation] = []
    for n, (source, quote) in enumerate(quotes, start=1):
        start = suite.corpus.texts[source].rindex(quote)
        template = some_citation(n, "doc-h", "It has 12 cranes.")
        citations.append(
            replace(template, document_id=source, source=source, start_char=start, end_char=start + len(quote),
                    cited_text=quote, text_sha256=suite.corpus.text_sha256[source])
        )  # fmt: skip
    found: list[RetrievedPassage] = []
    for source, text in passages:
        start = suite.corpus.texts[source].rindex(text)
        found.append(RetrievedPassage(f"p{start}", source, source, start, start + len(text), text, 1.0, "", None, ()))
    return replace(empty_answer(), citations=tuple(citations), passages=tuple(found))


def case(suite: ResolvedSuite, name: str) -> ResolvedCase:
    return next(one for one in suite.cases if one.case.id == name)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_evidence_of_a_set_stands_in_its_documents(data: Path, name: str) -> None:
    benchmark = load_benchmark(name, data)
    suite = resolved(benchmark)
    assert any(one.evidence for one in suite.cases)
    for one in suite.cases:
        for span in one.evidence:
            assert suite.corpus.texts[span.document_id][span.start : span.end] == span.quote
        assert set(one.case.documents) <= benchmark.documents.keys()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_quick_part_is_part_of_the_whole(data: Path, name: str) -> None:
    whole, part = load_benchmark(name, data), load_benchmark(name, data, quick=True)
    assert part.documents.items() <= whole.documents.items()
    assert {one.id for one in part.cases} <= {one.id for one in whole.cases}


def test_squad_counts_an_answer_only_where_the_question_was_asked_about(data: Path) -> None:
    benchmark = load_benchmark("squad", data)
    suite = resolved(benchmark)
    asked, page = case(suite, "s1"), "Old_harbour.txt"
    first, second = OPENING.split(". ")[0] + ".", "It cost 4.2 million crowns."
    right = benchmark.measure(
        asked, answered(suite, (page, second), (page, first), passages=[(page, LIGHT), (page, OPENING)]), suite.corpus
    )
    assert right == {
        "hit_at_1": 0.0,
        "recall_at_10": 1.0,
        "answer_in_first_sentence": 0.0,
        "answer_in_quoted_sentences": 1.0,
        "sentences_quoted": 2.0,
    }
    wrong = benchmark.measure(
        asked, answered(suite, ("Ferry.txt", FERRY), passages=[("Ferry.txt", FERRY)]), suite.corpus
    )
    assert sum(wrong.values()) == wrong["sentences_quoted"] == 1.0
    assert benchmark.measure(case(suite, "s2"), answered(suite), suite.corpus) == {}


def test_chunking_counts_characters_and_tells_one_place_from_another_with_the_same_words(data: Path) -> None:
    benchmark = load_benchmark("chunking", data)
    suite = resolved(benchmark)
    gulls = case(suite, "chunking-0")
    assert gulls.evidence[0].start == TWICE.rindex("Gulls")
    values = benchmark.measure(gulls, answered(suite, ("chatlogs.txt", "Gulls nest here."),
                                               passages=[("chatlogs.txt", TWICE)]), suite.corpus)  # fmt: skip
    assert values["recall_in_quoted_sentences"] == values["iou_of_quoted_sentences"] == 1.0
    assert values["recall_in_5_passages"] == 1.0
    letters, of = (sum(not character.isspace() for character in text) for text in ("Gulls nest here.", TWICE))
    assert values["iou_of_5_passages"] == pytest.approx(letters / of)
    elsewhere = benchmark.measure(gulls, answered(suite, ("chatlogs.txt", "The pilots live in Odde.")), suite.corpus)
    assert elsewhere["recall_in_quoted_sentences"] == elsewhere["iou_of_quoted_sentences"] == 0.0


def test_clapnq_looks_in_the_questions_own_passage_and_compares_with_its_answer(data: Path) -> None:
    benchmark = load_benchmark("clapnq", data)
    suite = resolved(benchmark)
    asked = case(suite, "c1")
    assert asked.case.documents == ("c1.txt",)
    first = OPENING.split(". ")[0] + "."
    values = benchmark.measure(asked, answered(suite, ("c1.txt", first)), suite.corpus)
    assert values["marked_in_first_sentence"] == values["citation_precision"] == values["citation_recall"] == 1.0
    # of 9 and 8 words without articles, "was opened in 1911 by ilse brandt" is common to both
    assert values["rouge_l"] == pytest.approx(2 * 7 / (9 + 8))
    assert benchmark.measure(asked, abstention(), suite.corpus)["rouge_l"] == 0.0


def test_mtrag_asks_a_turn_in_the_light_of_the_ones_before_and_ranks_whole_passages(data: Path) -> None:
    benchmark = load_benchmark("mtrag-fiqa", data)
    suite = resolved(benchmark)
    assert [one.case.id for one in suite.cases] == ["q<::>1", "q<::>2", "q<::>3"]  # and no small talk
    turn = case(suite, "q<::>2")
    assert [message.content for message in turn.case.messages] == ["Who opened the harbour?"]
    assert [message.content for message in case(suite, "q<::>3").case.messages] == [
        "Who opened the harbour?", "And when was the lighthouse added?"
    ]  # fmt: skip
    opening = ("1-0-80.txt", OPENING), ("1-0-80.txt", "It cost 4.2 million crowns.")
    values = benchmark.measure(turn, answered(suite, passages=[*opening, ("2-0-60.txt", LIGHT)]), suite.corpus)
    assert values["recall_at_10"] == 1.0
    assert values["ndcg_at_5"] == pytest.approx(0.6309, abs=1e-4)  # second of the pool's passages: 1 / log2(3)


def test_files_that_are_missing_or_broken_are_named(data: Path) -> None:
    with pytest.raises(SuiteError, match="no set 'squod'"):
        load_benchmark("squod", data)
    (data / "mtrag" / "tasks.jsonl").unlink()
    with pytest.raises(SuiteError, match=r"tasks\.jsonl"):
        load_benchmark("mtrag-fiqa", data)
    (data / "squad" / "dev-1.1.rebuilt.json").write_text("{}")
    with pytest.raises(SuiteError, match="'squad' is not what it should be"):
        load_benchmark("squad", data)
    (data / "clapnq" / "clapnq_dev_answerable.jsonl").write_text('{"id": "c1",')
    with pytest.raises(SuiteError, match="'clapnq' is not what it should be"):
        load_benchmark("clapnq", data)


def test_halves_are_told_by_the_id_alone_and_make_up_the_whole() -> None:
    found = [Outcome(f"q{i}", True, 0.9, {"hit": float(is_reported(f"q{i}"))}) for i in range(200)]
    (row,) = tabulate("set", 1, found, 0.35).rows
    assert (row.reported.value, row.tuned.value) == (1.0, 0.0)
    assert row.reported.n + row.tuned.n == row.whole.n == 200
    assert 70 < row.reported.n < 130


def test_abstention_is_worked_out_from_the_confidences() -> None:
    sure = [(True, 0.9), (True, 0.4), (True, 0.2), (False, 0.4), (False, 0.1)]
    found = [Outcome(f"q{i}", answerable, value, {}) for i, (answerable, value) in enumerate(sure)]
    result = tabulate("set", 1, found, 0.35)
    whole = {row.measure: row.whole.value for row in result.rows}
    assert whole == {
        "declines_at_0.35": 0.5,
        "keeps_at_0.35": pytest.approx(2 / 3),
        "declines_at_0.5": 1.0,
        "keeps_at_0.5": pytest.approx(1 / 3),
        "abstention_precision_at_0.35": 0.5,
        "confidence_auc": pytest.approx(4.5 / 6),
    }
    assert result.failed == 0


def test_a_question_that_could_not_be_run_counts_as_0_and_against_abstaining(data: Path) -> None:
    benchmark = load_benchmark("clapnq", data)
    suite = resolved(benchmark)
    asked, other = suite.cases
    first = OPENING.split(". ")[0] + "."
    done = Record(asked.case, asked.evidence, answered(suite, ("c1.txt", first)), None, 1.0, {}, {}, True)
    lost = [
        Record(one.case, one.evidence, None, Failure("OSError", "the disk"), 1.0, {}, {}, False)
        for one in (asked, other)
    ]
    again = replace(suite, cases=(asked, asked, other))
    result = tabulate("clapnq", 2, outcomes(benchmark, again, [done, *lost]), 0.35)
    whole = {row.measure: row.whole.value for row in result.rows}
    assert result.failed == 2
    assert whole["citation_recall"] == whole["keeps_at_0.35"] == 0.5
    assert whole["declines_at_0.35"] == 0.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_the_area_is_the_share_of_pairs_in_order(higher: list[int], lower: list[int]) -> None:
    pairs = [1.0 if above > below else 0.5 if above == below else 0.0 for above in higher for below in lower]
    estimate = estimate_area([float(value) for value in higher], [float(value) for value in lower])
    assert estimate.value == pytest.approx(sum(pairs) / len(pairs))
    assert estimate.low is not None
    assert estimate.value is not None
    assert estimate.high is not None
    assert estimate.low <= estimate.value <= estimate.high


def test_without_one_of_the_two_kinds_there_is_no_area() -> None:
    assert estimate_area([], [0.5]).value is None


def test_questions_asked_again_with_so_many_sentences_get_measures_of_their_own(data: Path) -> None:
    benchmark = load_benchmark("squad", data)
    assert benchmark.quoting == (1, 3)
    suite = resolved(benchmark)
    asked = case(suite, "s1")
    some = replace(suite, cases=(asked,))
    right = record(asked, answered(suite, ("Old_harbour.txt", OPENING.split(". ")[0] + ".")))
    wrong = record(asked, answered(suite, ("Ferry.txt", FERRY)))
    before = [Outcome("s1", True, 0.9, {"hit_at_1": 1.0}), Outcome("s2", False, 0.1, {})]
    found = with_quoted(with_quoted(before, benchmark, some, [right], 3), benchmark, some, [wrong], 1)
    assert found[0].values == {"hit_at_1": 1.0, "answer_in_sentences_3": 1.0, "answer_in_sentences_1": 0.0}
    assert found[1] == before[1]
    other = replace(asked, case=replace(asked.case, id="s9"))
    lost = replace(right, case=other.case, answer=None, failure=Failure("OSError", "gone"))
    both = [*before, Outcome("s9", True, 0.0, {}, failed=True)]
    found = with_quoted(both, benchmark, replace(suite, cases=(asked, other)), [right, lost], 3)
    assert [one.values.get("answer_in_sentences_3") for one in found] == [1.0, None, 0.0]
    assert with_quoted(before, replace(benchmark, measure_quoted=None), some, [right], 3) == before


def record(resolved_case: ResolvedCase, answer: Answer) -> Record:
    return Record(resolved_case.case, resolved_case.evidence, answer, None, 1.0, {}, {}, passed=True)
