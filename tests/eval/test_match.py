from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.match import contains, covers, normalise, overlaps, rouge_l, token_f1, tokens


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It has 12 cranes.", "12"),
        ("There were 12.", "12"),
        ("(12)", "12"),
        ("12,  13 and 14", "12"),
        ("over 13,000, they said", "13,000"),
        ("It IS the\n Harbour", "is the harbour"),
        ("the pilots’ house", "pilots' house"),
        ("a 12-fold rise", "12-fold"),
        ("files such as a.txt", ".txt"),
        ("swarm, then warm", "warm"),
        ("共有12台起重机", "12"),
        ("位于奥斯陆港口", "奥斯陆"),
    ],
)
def test_a_phrase_is_found_as_whole_words_and_numbers(text: str, phrase: str) -> None:
    assert contains(text, phrase)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It opened in 2012.", "12"),
        ("12,000 ships", "12"),
        ("3.12 metres", "12"),
        ("about 113,000", "13,000"),
        ("13,000,000 ships", "13,000"),
        ("12.5 metres", "12"),
        ("the 12th crane", "12"),
        ("a swarm of gulls", "warm"),
        ("with warmth", "warm"),
        ("weak_evidence", "evidence"),
        ("anything", " "),
    ],
)
def test_a_part_of_a_word_or_number_is_not_found(text: str, phrase: str) -> None:
    assert not contains(text, phrase)


@given(st.text(max_size=20), st.text("ab1,. ", min_size=1, max_size=6).filter(str.strip), st.text(max_size=20))
def test_what_stands_between_spaces_is_contained(before: str, phrase: str, after: str) -> None:
    assert contains(f"{before} | {phrase} | {after}", phrase)


@given(st.text("ab1,. ", max_size=12), st.text("ab1,. ", max_size=4))
def test_what_is_contained_is_a_substring(text: str, phrase: str) -> None:
    if contains(text, phrase):
        assert normalise(phrase) in normalise(text)


def test_overlap_is_half_of_the_shorter_span() -> None:
    assert overlaps(0, 10, 5, 100)  # 5 of 10
    assert not overlaps(0, 10, 6, 100)  # 4 of 10
    assert overlaps(0, 100, 40, 44)  # the shorter lies within
    assert not overlaps(0, 10, 10, 20)  # they touch
    assert not overlaps(3, 3, 0, 10)  # an empty span


spans = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted)


@given(spans, spans)
def test_overlap_agrees_with_counting_characters(a: list[int], b: list[int]) -> None:
    shared = len(set(range(*a)) & set(range(*b)))
    shorter = min(a[1] - a[0], b[1] - b[0])
    assert overlaps(a[0], a[1], b[0], b[1]) == (shorter > 0 and shared >= shorter / 2)
    assert overlaps(*a, *b) == overlaps(*b, *a)
    length = b[1] - b[0]
    assert covers(*a, *b) == (length > 0 and shared >= length / 2)


def test_a_number_is_one_token_and_articles_are_none() -> None:
    assert tokens("The 13,000 ships, and a crane.") == ["13,000", "ships", "and", "crane"]


def test_token_f1_by_hand() -> None:
    # shared: harbour, opened; 3 of ours, 4 of theirs
    assert token_f1("harbour opened late", "the harbour opened in 1912") == pytest.approx(2 * 2 / (3 + 4))
    assert token_f1("gulls", "cranes") == 0.0
    assert token_f1("", "") == 0.0


def test_rouge_l_minds_the_order_where_f1_does_not() -> None:
    assert token_f1("one two three", "three two one") == 1.0
    assert rouge_l("one two three", "three two one") == pytest.approx(1 / 3)


words = st.lists(st.sampled_from(["x", "y", "z"]), max_size=7)


def _slow_subsequence(a: list[str], b: list[str]) -> int:
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + _slow_subsequence(a[1:], b[1:])
    return max(_slow_subsequence(a[1:], b), _slow_subsequence(a, b[1:]))


@given(words, words)
def test_rouge_l_agrees_with_the_definition(a: list[str], b: list[str]) -> None:
    common = _slow_subsequence(a, b)
    expected = 2 * common / (len(a) + len(b)) if common else 0.0
    assert rouge_l(" ".join(a), " ".join(b)) == pytest.approx(expected)
