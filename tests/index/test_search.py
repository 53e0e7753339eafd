"""Ranking, beside a slow oracle: every signal worked out in plain Python, standardised, weighed and summed."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from index.errors import CorruptGeneration, EncoderError, IncompatibleIndex
from index.generation import Generation
from index.lexical import content_terms, terms
from index.search import WEIGHTS, make_query, search
from index.types import Passage, Vector
from tests.fakes import FakeEncoder
from tests.index.shelf import Shelf

SCHOOL = "# School\n\nThe school has nine teachers.\n\n# Roof\n\nIt was mended in 1911. Nine men came with a ladder.\n"


@pytest.fixture
def town(shelf: Shelf) -> Shelf:
    shelf.write("school.md", SCHOOL)
    shelf.build()
    return shelf


def held(passage: Passage) -> set[str]:
    return set(terms(" ".join((passage.text, passage.document.title, *passage.place.heading_path))))


def slow_ranking(generation: Generation, question: str) -> list[tuple[float, str, float]]:
    """(score, passage id, coverage), best first, over all passages: they are fewer than the candidates could be."""
    encoder = FakeEncoder()
    asked, wanted = encoder.encode_query(question), content_terms(question)
    rows = list(range(len(generation.vectors)))
    passages = generation.store.passages(rows)
    cosines = [float(generation.vectors.rows([row])[0] @ asked) for row in rows]
    best = [
        max(float(generation.sentences.rows(one.row, one.row + 1)[0] @ asked) for one in passage.sentences)
        for passage in passages
    ]
    idf = {term: generation.lexical.idf(term) for term in wanted}
    covered = [sum(idf[term] for term in held(passage) & idf.keys()) / sum(idf.values()) for passage in passages]
    bm25 = dict(generation.lexical.search(wanted, len(rows)))
    columns = [cosines, best, covered, [bm25.get(row, 0.0) for row in rows]]
    weights = [WEIGHTS.dense, WEIGHTS.sentence, WEIGHTS.coverage, WEIGHTS.lexical]
    scores = [0.0] * len(rows)
    for weight, column in zip(weights, columns, strict=True):
        deviation = statistics.pstdev(column)
        for i, value in enumerate(column):
            scores[i] += weight * (value - statistics.fmean(column)) / deviation if deviation > 1e-9 else 0.0
    return sorted(zip(scores, (one.passage_id for one in passages), covered, strict=True), reverse=True)


@pytest.mark.parametrize(
    "question",
    ["Who climbs the steps to the lamp?", "How many teachers has the school?", "nine", "When was the roof mended?"],
)
def test_passages_are_ranked_by_the_weighed_sum_of_four_signals(town: Shelf, question: str) -> None:
    with town.open() as generation:
        hits = search(generation, [make_query(question, FakeEncoder())], k=50)
        expected = slow_ranking(generation, question)
    assert [hit.passage.passage_id for hit in hits] == [passage_id for _, passage_id, _ in expected]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _, _ in expected], abs=1e-4)
    assert [hit.signals.coverage for hit in hits] == pytest.approx([covered for _, _, covered in expected], abs=1e-5)


def test_a_word_of_the_heading_counts_as_covered(town: Shelf) -> None:
    (mended,) = [hit for hit in town.ask("When was the roof mended?") if "mended" in hit.passage.text]
    assert "roof" not in mended.passage.text.lower().split("\n", 2)[2]
    assert mended.signals.coverage == pytest.approx(1.0)


def test_a_question_of_no_known_word_covers_nothing(town: Shelf) -> None:
    assert {hit.signals.coverage for hit in town.ask("zzz?")} == {0.0}
    assert {hit.signals.lexical for hit in town.ask("zzz?")} == {0.0}


def test_of_several_queries_the_signals_are_means_by_weight(town: Shelf) -> None:
    one, other = (make_query(text, FakeEncoder(), weight) for text, weight in (("ladder", 1.0), ("zzz", 3.0)))
    with town.open() as generation:
        alone = {hit.passage.row: hit for hit in search(generation, [one], k=50)}
        both = {hit.passage.row: hit for hit in search(generation, [one, other], k=50)}
    assert max(hit.signals.coverage for hit in alone.values()) == pytest.approx(1.0)
    for row, hit in both.items():
        assert hit.signals.coverage == pytest.approx(alone[row].signals.coverage / 4)
        assert hit.signals.sentence == pytest.approx(max(hit.sentence_scores))


def test_the_rows_of_sentences_are_those_of_the_passages(town: Shelf) -> None:
    with town.open() as generation:
        rows = list(range(len(generation.vectors)))[::-1]
        expected = [[one.sentences[0].row, one.sentences[-1].row + 1] for one in generation.store.passages(rows)]
        assert generation.store.sentence_spans(rows[-2:]).tolist() == expected[-2:]
        assert generation.store.sentence_spans(rows).tolist() == expected  # two that are known, and others
        assert generation.store.sentence_spans([]).tolist() == []
        with pytest.raises(CorruptGeneration):
            generation.store.sentence_spans([0, 10_000])


def test_a_question_of_another_encoder_is_refused_though_the_name_is_the_same(town: Shelf) -> None:
    question = "When was the harbour opened?"
    with town.open() as generation:
        assert search(generation, [make_query(question, FakeEncoder())], k=1)
        with pytest.raises(IncompatibleIndex, match="by another runtime"):
            search(generation, [make_query(question, FakeEncoder(window=41))], k=1)


def test_an_encoder_that_gives_no_numbers_is_what_is_blamed(town: Shelf) -> None:
    class Broken(FakeEncoder):
        def encode_query(self, text: str) -> Vector:
            return np.full(self.dim, np.nan, dtype=np.float32)

    with pytest.raises(EncoderError):
        make_query("When was the harbour opened?", Broken())
