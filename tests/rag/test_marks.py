from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from index.encode import DEFAULT_MODEL, model_folder
from index.network import load_tokenizer
from rag.marks import PASSAGE, PASSAGE_SHARED, QUERY, QUERY_SHARED, Marks


@cache
def shipped() -> Tokenizer:
    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    return load_tokenizer(folder / "tokenizer.json")


@pytest.fixture
def tokenizer() -> Tokenizer:
    return shipped()


@cache
def made_once() -> Marks:
    return Marks(shipped())


@pytest.fixture
def marks() -> Marks:
    return made_once()


def marked(tokenizer: Tokenizer, marks: Marks, query: str, passage: str) -> dict[str, int]:
    """Token -> its type; every token of these texts stands there once."""
    asked = tokenizer.encode(query)
    told = tokenizer.encode(passage, add_special_tokens=False)
    types = marks.types([*asked.ids, *told.ids], len(asked.ids))
    return dict(zip([*asked.tokens, *told.tokens], types, strict=True))


def test_a_word_that_both_sides_have_is_marked_on_both(tokenizer: Tokenizer, marks: Marks) -> None:
    types = marked(tokenizer, marks, "when was the harbour opened", "it opens in march beside a pier")
    assert types["opened"] == QUERY_SHARED and types["opens"] == PASSAGE_SHARED
    assert types["harbour"] == QUERY and types["pier"] == PASSAGE


def test_stop_words_and_question_words_are_not_matched(tokenizer: Tokenizer, marks: Marks) -> None:
    asked = tokenizer.encode("when was the harbour opened")
    told = tokenizer.encode("when was the pier built", add_special_tokens=False)
    types = marks.types([*asked.ids, *told.ids], len(asked.ids))
    assert set(types[: len(asked.ids)]) == {QUERY}
    assert set(types[len(asked.ids) :]) == {PASSAGE}


def test_numbers_are_matched_whole(tokenizer: Tokenizer, marks: Marks) -> None:
    types = marked(tokenizer, marks, "sailors 1911", "boats 1912")
    assert types["1911"] == QUERY and types["1912"] == PASSAGE


@given(st.lists(st.integers(0, 30_521), min_size=1, max_size=30), st.lists(st.integers(0, 30_521), max_size=30))
def test_each_token_has_one_type_of_its_own_side(query: list[int], passage: list[int]) -> None:
    types = made_once().types([*query, *passage], len(query))
    assert len(types) == len(query) + len(passage)
    assert set(types[: len(query)]) <= {QUERY, QUERY_SHARED}
    assert set(types[len(query) :]) <= {PASSAGE, PASSAGE_SHARED}
    assert (QUERY_SHARED in types) == (PASSAGE_SHARED in types)
