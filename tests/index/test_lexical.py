"""BM25 as tantivy computes it, beside a slow oracle in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from index import lexical
from index.lexical import LexicalIndex, content_terms, terms

SHELF = [
    "The ferry sails at noon and the ferry returns at night.",
    "The lighthouse keeper climbs to the lamp at night.",
    "Ropes are made of hemp.",
    "The ferry is painted red.",
]


@pytest.fixture
def index(tmp_path: Path) -> LexicalIndex:
    return built(tmp_path, SHELF)


def built(folder: Path, texts: list[str], above: list[str] | None = None) -> LexicalIndex:
    above = above or [""] * len(texts)
    lexical.write(folder / "lexical", ((row, text, above[row]) for row, text in enumerate(texts)))
    return LexicalIndex(folder / "lexical")


def slow_bm25(texts: list[str], query: list[str]) -> list[tuple[int, float]]:
    """Lucene's BM25 (k1 = 1.2, b = .75, with the factor k1 + 1), straight from the formula."""
    bags = [Counter(terms(text)) for text in texts]
    mean = sum(bag.total() for bag in bags) / len(bags)
    scores = []
    for row, bag in enumerate(bags):
        score = 0.0
        for term in query:
            holding = sum(1 for other in bags if term in other)
            idf = math.log(1 + (len(bags) - holding + 0.5) / (holding + 0.5))
            score += idf * bag[term] * 2.2 / (bag[term] + 1.2 * (1 - 0.75 + 0.75 * bag.total() / mean))
        if score:
            scores.append((row, score))
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))


@pytest.mark.parametrize("query", ["ferry", "ferry night", "red ferry", "lamp of a lighthouse", "hemp ropes at night"])
def test_scores_are_those_of_the_formula(index: LexicalIndex, query: str) -> None:
    found, expected = index.search(terms(query), 10), slow_bm25(SHELF, terms(query))
    assert expected
    assert [row for row, _ in found] == [row for row, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-4)


def test_only_the_best_are_given(index: LexicalIndex) -> None:
    assert [row for row, _ in index.search(["ferri"], 1)] == [0]  # it has the word twice
    assert index.search(["ferri"], 0) == []


@pytest.mark.parametrize(
    "question",
    ['ferry AND ( " * :', "text:ferry", "-ferry", "ferry~2", "[ferry TO night]", "+ferry^9", "row:0 ferry", "ferry\\"],
)
def test_the_syntax_of_queries_is_text_like_any_other(index: LexicalIndex, question: str) -> None:
    assert {0, 3} <= {row for row, _ in index.search(terms(question), 10)}


@pytest.mark.parametrize("question", ["", "()", "zeppelin", "🚢", "\x00", "\ud7ff", "NOT"])
def test_a_question_without_a_known_word_finds_nothing(index: LexicalIndex, question: str) -> None:
    assert index.search(terms(question), 10) == []


def test_a_row_number_in_a_question_is_no_row(index: LexicalIndex) -> None:
    assert index.search(terms("2"), 10) == []


# All matches are looked at; or rows are picked out, one by one, or in one set.
@pytest.mark.parametrize(("few_matches", "few_rows"), [(1_000, 1_000), (0, 1_000), (0, 0)])
def test_search_among_rows_keeps_their_scores(
    index: LexicalIndex, monkeypatch: pytest.MonkeyPatch, few_matches: int, few_rows: int
) -> None:
    monkeypatch.setattr(lexical, "_FEW_MATCHES", few_matches)
    monkeypatch.setattr(lexical, "_FEW_ROWS", few_rows)
    everywhere = dict(index.search(terms("ferry night"), 10))
    among = index.search(terms("ferry night"), 10, [1, 2, 3])
    assert set(dict(among)) == {1, 3}
    assert all(score == pytest.approx(everywhere[row]) for row, score in among)
    assert index.search(terms("ferry night"), 1, [1, 2, 3]) == among[:1]
    assert [row for row, _ in index.search(terms("ferry night"), 10, [1, 2, 3], without=[1])] == [3]
    assert dict(index.coverage(terms("ferry"), [1, 3])) == pytest.approx({3: 1.0})
    assert index.search(terms("zeppelin"), 10, [1, 2, 3]) == []
    assert index.search(terms("ferry"), 10, []) == []


def test_a_rare_word_weighs_more_and_an_unknown_one_most(index: LexicalIndex) -> None:
    assert len(index) == 4
    assert index.idf("ferri") == pytest.approx(math.log(1 + 2.5 / 2.5))
    assert index.idf("ferri") < index.idf("hemp") < index.idf("zeppelin")


def test_what_stands_above_counts_half(tmp_path: Path) -> None:
    index = built(tmp_path, ["It sails at noon.", "It sails at noon."], above=["The ferry", "The lamp"])
    ((row, score),) = index.search(["ferri"], 10)
    assert row == 0
    # One of two has the word, and both headings are two words long.
    assert score == pytest.approx(0.5 * math.log(1 + 1.5 / 1.5), rel=1e-4)


def test_equal_scores_come_in_row_order(tmp_path: Path) -> None:
    index = built(tmp_path, ["A red boat."] * 5)
    assert [row for row, _ in index.search(["boat"], 5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("café", "cafe"),
        ("Ærø", "aero"),
        ("Straße", "STRASSE"),
        ("naïveté", "naivete"),
        ("soldier’s letter", "soldier's letter"),
        ("ＦＥＲＲＹ", "ferry"),  # full-width letters
        ("Порт", "порт"),
    ],
)
def test_spelling_is_folded(written: str, asked: str) -> None:
    assert terms(written) == terms(asked) != []


def test_terms_are_stemmed_words_in_order() -> None:
    assert terms("The soldiers' running") == ["the", "soldier", "run"]
    assert terms("x" * 100) == []  # no word, and no place for it in the index


def test_content_terms_leave_out_what_a_question_is_asked_with() -> None:
    assert content_terms("When was the ferry painted, and was the ferry red?") == ["ferri", "paint", "red"]
    assert content_terms("Who are you?") == ["who", "are", "you"]  # nothing else is left


def test_what_is_not_seen_within_a_word_does_not_keep_it_from_being_found(tmp_path: Path) -> None:
    lexical.write(
        tmp_path / "lexical", [(0, "The light\u00adhouse keep\u200ber rests.", ""), (1, "The house is lit.", "")]
    )
    index = LexicalIndex(tmp_path / "lexical")
    assert [row for row, _ in index.search(terms("lighthouse"), 5)] == [0]
    assert [row for row, _ in index.search(terms("keeper"), 5)] == [0]
    assert terms("light\u00adhouse keep\u200ber") == terms("lighthouse keeper")


def test_an_index_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "lexical"
    lexical.write(folder, [(0, "The red ferry sails.", ""), (1, "A red lamp.", "Ferries")])
    expected = LexicalIndex(folder).search(["red", "ferri"], 5)
    lock = folder / ".tantivy-meta.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()  # no file can be made of that name, as on a disk that takes no writes
    (tmp_path / "moved").symlink_to(folder)
    found = LexicalIndex(tmp_path / "moved")
    assert len(found) == 2
    assert found.search(["red", "ferri"], 5) == expected
    assert found.coverage(["red", "ferri"], [0, 1])
    assert found.search(["ferri"], 5, rows=[1]) == LexicalIndex(folder).search(["ferri"], 5, rows=[1])
