"""Passages tile a text, fit the window, hold whole sentences, and stay where they were after an edit."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.passages import build_passages
from index.schema import embedding_key
from index.types import Parsed, PassageSpan, Place, Segment, SegmentKind
from tests.fakes import FakeEncoder

TokenSpans = Callable[[str], list[tuple[int, int]]]


def words(text: str) -> list[tuple[int, int]]:
    return FakeEncoder().token_spans(text)


def pairs(text: str) -> list[tuple[int, int]]:
    """Two characters a token, blanks too: a whole has more tokens than its parts, as some tokenisers have it."""
    return [(start, min(start + 2, len(text))) for start in range(0, len(text), 2)]


def code_points(text: str) -> list[tuple[int, int]]:
    """Two tokens for whatever is not ASCII, both at the same place, as byte-level tokenisers do."""
    return [(i, i + 1) for i, char in enumerate(text) if not char.isspace() for _ in range(1 + (not char.isascii()))]


def document(*blocks: tuple[SegmentKind, str, tuple[str, ...]], lead: str = "", tail: str = "") -> Parsed:
    """A text of blocks ``(kind, text, heading path)``, a blank line between each two."""
    text, segments = lead, []
    for number, (kind, block, path) in enumerate(blocks):
        text += "\n\n" if number else ""
        segments.append(Segment(len(text), len(text) + len(block), kind, Place(path)))
        text += block
    return Parsed(text + tail, tuple(segments), "")


def prose(*paragraphs: str, path: tuple[str, ...] = ()) -> Parsed:
    return document(*(("prose", paragraph, path) for paragraph in paragraphs))


def check(parsed: Parsed, token_spans: TokenSpans, window: int) -> list[PassageSpan]:
    """The passages of ``parsed``, after a slow look at everything that must hold of them."""
    passages = build_passages(parsed, token_spans, window)
    if not parsed.segments:
        assert passages == []
        return passages
    assert passages[0].start == 0 and passages[-1].end == len(parsed.text)
    for one, two in pairwise(passages):
        assert one.end == two.start
    places = {char: segment for segment in parsed.segments for char in range(segment.start, segment.end)}
    owners = dict.fromkeys(range(len(parsed.text)), 0)
    for passage in passages:
        assert passage.sentences
        inner = parsed.text[passage.start : passage.end].strip()
        assert passage.n_tokens == len(token_spans(inner)) <= window
        end = passage.start
        for sentence in passage.sentences:
            quote = parsed.text[sentence.start : sentence.end]
            assert end <= sentence.start < sentence.end <= passage.end
            assert quote == quote.strip() != ""
            home = places[sentence.start]
            assert home is places[sentence.end - 1] and home.kind == sentence.kind
            if home.kind != "heading":  # sections never mix; a heading may stand above the first below it
                assert home.place.heading_path == passage.place.heading_path
            for char in range(sentence.start, sentence.end):
                owners[char] += 1
            end = sentence.end
    for char, count in owners.items():
        in_segment = char in places and not parsed.text[char].isspace()
        assert count == 1 if in_segment else count <= 1, (char, parsed.text[char])
    return passages


WORD = st.sampled_from(
    [
        "tide",
        "Ships",
        "rope",
        "of",
        "Dr.",
        "U.S.",
        "3.14",
        "e.g.",
        "🚢",
        "naïve",
        "東京",
        "a" * 90,
        "(built",
        "in)",
        "…",
        "No.",
        "I.",
    ]
)
SENTENCE = st.builds(
    lambda inner, stop: " ".join(inner) + stop,
    st.lists(WORD, min_size=1, max_size=25),
    st.sampled_from([".", "!", "?", "。", "", '."', "...", ";\n"]),
)
BLOCK = st.builds(
    lambda kind, inner: (kind, " ".join(inner).strip()),
    st.sampled_from(["prose", "prose", "heading", "item", "row", "furniture"]),
    st.lists(SENTENCE, min_size=1, max_size=8),
)
SECTION = st.tuples(st.sampled_from([(), ("Rates",), ("Rates", "Boats")]), st.lists(BLOCK, min_size=1, max_size=4))
TEXT = st.builds(
    lambda sections, lead, tail: document(
        *((kind, text, path) for path, blocks in sections for kind, text in blocks), lead=lead, tail=tail
    ),
    st.lists(SECTION, max_size=4),
    st.sampled_from(["", "\n", "  \n\n"]),
    st.sampled_from(["", "\n", " \t\n"]),
)


@pytest.mark.parametrize("token_spans", [words, pairs, code_points])
@given(parsed=TEXT, window=st.integers(8, 60))
@settings(max_examples=40, deadline=None)
def test_passages_tile_the_text_and_fit_the_window(token_spans: TokenSpans, parsed: Parsed, window: int) -> None:
    check(parsed, token_spans, window)


def test_a_short_document_is_one_passage_with_its_blanks() -> None:
    parsed = document(("prose", "Ships came. They left.", ()), lead="\n ", tail="\n\n")
    (passage,) = check(parsed, words, 40)
    assert (passage.start, passage.end) == (0, len(parsed.text))
    assert [parsed.text[s.start : s.end] for s in passage.sentences] == ["Ships came.", "They left."]


def test_a_document_without_text_has_no_passage() -> None:
    assert check(Parsed("\n\n", (), ""), words, 40) == []


def test_a_sentence_longer_than_the_window_is_cut_between_words() -> None:
    parsed = prose("one two three four five six seven eight nine ten")
    passages = check(parsed, words, 4)
    assert [parsed.text[p.start : p.end].split() for p in passages] == [
        ["one", "two", "three", "four"],
        ["five", "six", "seven", "eight"],
        ["nine", "ten"],
    ]


def test_a_word_longer_than_the_window_is_cut_inside() -> None:
    parsed = prose("ab " + "x" * 19)
    passages = check(parsed, pairs, 4)
    assert [parsed.text[p.start : p.end] for p in passages] == ["ab ", "x" * 8, "x" * 8, "xxx"]


def test_two_short_sections_stay_two_passages() -> None:
    parsed = document(
        ("heading", "Boats", ("Boats",)),
        ("prose", "Boats cost two crowns.", ("Boats",)),
        ("heading", "Carts", ("Carts",)),
        ("prose", "Carts cost one.", ("Carts",)),
    )
    boats, carts = check(parsed, words, 40)
    assert parsed.text[boats.start : boats.end] == "Boats\n\nBoats cost two crowns.\n\n"
    assert (boats.place.heading_path, carts.place.heading_path) == (("Boats",), ("Carts",))


def test_a_heading_with_nothing_of_its_own_goes_with_the_section_below_it() -> None:
    parsed = document(
        ("heading", "Boats", ("Boats",)),
        ("heading", "Rates", ("Boats", "Rates")),
        ("prose", "Boats cost two crowns.", ("Boats", "Rates")),
    )
    (passage,) = check(parsed, words, 40)
    assert passage.place.heading_path == ("Boats", "Rates")
    assert [sentence.kind for sentence in passage.sentences] == ["heading", "heading", "prose"]


def test_a_section_is_cut_at_the_end_of_a_paragraph_where_one_is_near() -> None:
    ships, ropes = "Ships came in the night. They lay at the quay.", "Ropes were made of hemp. They sold by weight."
    parsed = prose(ships, ropes)
    first, second = check(parsed, words, 14)
    assert parsed.text[first.start : first.end].strip() == ships
    assert parsed.text[second.start : second.end].strip() == ropes


SHIPS = ["Aurora", "Borealis", "Castor", "Delphin", "Electra", "Fortuna", "Galatea"]
CARGO = ["rope", "salt", "timber", "wool", "iron", "grain", "glass", "tar", "wine", "coal", "hides"]


def _log(n: int) -> list[str]:
    """``n`` sentences, no two alike, as a ship's register would have them."""
    return [f"On day {i} the {SHIPS[i % 7]} brought {i * 37 % 91} tons of {CARGO[i % 11]}." for i in range(n)]


def _keys(sentences: list[str]) -> set[bytes]:
    parsed = prose(*(" ".join(sentences[i : i + 6]) for i in range(0, len(sentences), 6)))
    return {embedding_key(parsed.text, passage) for passage in check(parsed, words, 40)}


@pytest.mark.parametrize("edit", ["insert", "delete", "change"])
def test_an_edit_leaves_the_passages_far_from_it_as_they_were(edit: str) -> None:
    log = _log(240)
    before = _keys(log)
    middle = 6 * 20  # the start of a paragraph, so that paragraphs stay the same ones
    new = [f"A note of the warden, number {i}, was added later." for i in range(6)]
    after = {
        "insert": log[:middle] + new + log[middle:],
        "delete": log[:middle] + log[middle + 6 :],
        "change": [*log[:middle], "The Hekla never came.", *log[middle + 1 :]],
    }[edit]
    lost = len(before - _keys(after))
    assert len(before) > 60
    assert lost <= 5, f"{lost} of {len(before)} passages would be embedded again"


def test_cutting_by_length_alone_would_lose_every_passage_after_an_edit() -> None:
    """What the rule above is worth: filling passages to the brim moves every later cut."""

    def brim(sentences: list[str]) -> set[str]:
        text = " ".join(sentences)
        tokens = [text[start:end] for start, end in words(text)]
        return {" ".join(tokens[i : i + 40]) for i in range(0, len(tokens), 40)}

    log = _log(240)
    before, after = brim(log), brim([*log[:10], "The Hekla never came at all.", *log[10:]])
    assert len(before - after) > 0.9 * len(before)


def test_the_key_of_a_passage_ignores_outer_blanks_and_position_but_not_sentence_borders() -> None:
    alone, moved = prose("Ships came. They left."), document(("prose", "Ships came. They left.", ()), lead="\n\n")
    (first,) = build_passages(alone, words, 40)
    (second,) = build_passages(moved, words, 40)
    assert embedding_key(alone.text, first) == embedding_key(moved.text, second)
    row = document(("row", "Ships came. They left.", ()))
    (one_sentence,) = build_passages(row, words, 40)
    assert embedding_key(row.text, one_sentence) != embedding_key(alone.text, first)


def test_the_tokenisers_of_these_tests_do_what_their_names_say() -> None:
    assert len(pairs("ab")) + len(pairs("cd")) < len(pairs("ab cd"))
    assert code_points("é") == [(0, 1), (0, 1)]
    assert all(re.fullmatch(r"\S+", "a b"[start:end]) for start, end in words("a b"))
