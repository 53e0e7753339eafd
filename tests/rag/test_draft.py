from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.draft import Draft, Drafts
from rag.errors import LlmError


def drafts(text: str, size: int = 1_000) -> list[Draft]:
    reading = Drafts()
    found = [draft for at in range(0, len(text), size) for draft in reading.feed(text[at : at + size])]
    return found + list(reading.finish())


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("The harbour was opened in 1911 [1].", [("The harbour was opened in 1911.", (1,))]),
        ("It was opened. [1] It cost much. [2]", [("It was opened.", (1,)), ("It cost much.", (2,))]),
        ("It was opened [1][3]. It cost [1, 2] much.", [("It was opened.", (1, 3)), ("It cost much.", (1, 2))]),
        ("It was opened [^1] [1].", [("It was opened.", (1,))]),
        ("It was opened 【2】.", [("It was opened.", (2,))]),
        ("It was opened.", [("It was opened.", ())]),
        ("It was opened [0] [99].", [("It was opened.", (0, 99))]),
        ("Mr. Holm paid 4.2 million [1]. He left.", [("Mr. Holm paid 4.2 million.", (1,)), ("He left.", ())]),
        ("- **Fog** closes it [1].\n- Wind too [2].\n", [("Fog closes it.", (1,)), ("Wind too.", (2,))]),
        ("# Fog\n\n1. It closes [1].", [("Fog", ()), ("It closes.", (1,))]),
        ("港口于1911年开放。[1]它花费420万克朗。[2]", [("港口于1911年开放。", (1,)), ("它花费420万克朗。", (2,))]),
        ("<think>Is it [1]? Yes.</think>\nIt was opened [1].", [("It was opened.", (1,))]),
        ("<think>Is it [1]? And it never ends", []),
        ("See x[i] and [a] [1].", [("See x[i] and [a].", (1,))]),
        ("It \u202ewas\u202c opened\U000e0041 [1].", [("It was opened.", (1,))]),
        ("[1]", []),
        ("", []),
        ("...  \n--\n", []),
    ],
)
def test_sentences_and_the_numbers_they_cite(reply: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    for size in (1, 2, 5, 1_000):
        assert [(draft.text, draft.cited) for draft in drafts(reply, size)] == expected


SENTENCE = st.sampled_from(
    ["The harbour was opened in 1911", "It cost 4.2 million crowns", "Mr. Holm came at 5 p.m. and left", "🚢 Fog. Wind"]
)
MARKERS = st.lists(st.integers(1, 12), max_size=3)


@given(st.lists(st.tuples(SENTENCE, MARKERS, st.booleans(), st.sampled_from([" ", "\n", "\n\n- "])), max_size=6),
       st.integers(1, 40))  # fmt: skip
def test_the_pieces_a_reply_arrives_in_do_not_matter_and_no_marker_is_lost(
    parts: list[tuple[str, list[int], bool, str]], size: int
) -> None:
    reply = ""
    for sentence, numbers, inside, gap in parts:
        marks = "".join(f"[{n}]" for n in numbers)
        reply += f"{sentence} {marks}.{gap}" if inside else f"{sentence}. {marks}{gap}"
    whole = drafts(reply)
    assert drafts(reply, size) == whole
    assert not any("[" in draft.text or "\n" in draft.text for draft in whole)
    assert {n for draft in whole for n in draft.cited} == {n for _, numbers, _, _ in parts for n in numbers}


@given(st.text(alphabet=st.sampled_from("ab .[]1,\n<>think/【】-#*"), max_size=80), st.integers(1, 20))
def test_any_text_can_be_read_in_any_pieces(text: str, size: int) -> None:
    assert drafts(text, size) == drafts(text)


def test_a_sentence_with_no_end_is_given_up() -> None:
    with pytest.raises(LlmError) as raised:
        drafts("harbour " * 100_000)
    assert raised.value.code == "llm_bad_reply"
