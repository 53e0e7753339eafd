from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.errors import SuiteError
from eval.evidence import find_quote, resolve
from tests.eval.story import CRANES, HARBOUR, MUSEUM, TEXTS, suite


def _evidence(folder: Path, *pairs: tuple[str, str]) -> None:
    cases = [
        {
            "id": f"c{n}",
            "question": "?",
            "answerable": True,
            "evidence": [{"source": source, "quote": quote}],
        }
        for n, (source, quote) in enumerate(pairs)
    ]
    resolve(suite(folder, cases), TEXTS)


def test_a_quote_gets_the_span_it_stands_at(tmp_path: Path) -> None:
    (case,) = resolve(suite(tmp_path / "port", [CRANES]), TEXTS).cases
    (span,) = case.evidence
    assert (span.document_id, HARBOUR[span.start : span.end]) == ("doc-h", "It has 12 cranes.")


def test_white_space_is_as_good_as_any_other_and_offsets_are_the_documents(tmp_path: Path) -> None:
    assert find_quote("the  harbour. Tickets", MUSEUM) == [(21, 41)]
    assert MUSEUM[21:41] == "the harbour.\nTickets"


def test_all_that_does_not_fit_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as error:
        _evidence(
            tmp_path / "port",
            ("harbour.txt", "It has 13 cranes."),
            ("museum.txt", "harbour"),
            ("ferry.txt", "It sails."),
            ("harbour.txt", "It has 12 cranes."),
        )
    missing, ambiguous, unknown = error.value.problems
    assert missing == "case 'c0', source 'harbour.txt': the quote is not in the text: 'It has 13 cranes.'"
    assert ambiguous == "case 'c1', source 'museum.txt': the quote stands 2 times in the text: 'harbour'"
    assert unknown == "case 'c2', source 'ferry.txt': the source is not in the index: 'It sails.'"


def test_a_quote_that_stands_twice_is_told_by_where_it_starts(tmp_path: Path) -> None:
    case = {"id": "where", "question": "?", "answerable": True}
    quote = {"source": "museum.txt", "quote": "harbour"}
    second = MUSEUM.rindex("harbour")
    (found,) = resolve(suite(tmp_path / "a", [{**case, "evidence": [{**quote, "start": second}]}]), TEXTS).cases
    assert (found.evidence[0].start, found.evidence[0].end) == (second, second + len("harbour"))
    with pytest.raises(SuiteError) as error:
        resolve(suite(tmp_path / "b", [{**case, "evidence": [{**quote, "start": second + 1}]}]), TEXTS)
    assert f"does not begin at character {second + 1}" in error.value.problems[0]


def test_letters_are_compared_as_they_are() -> None:
    assert find_quote("it has 12 cranes.", HARBOUR) == []
    assert find_quote("12 cranes?", HARBOUR) == []  # no sign is a pattern


def test_finds_that_overlap_are_counted_apart() -> None:
    assert find_quote("a a", "a a a") == [(0, 3), (2, 5)]


@given(before=st.text("ab \n", max_size=8), quote=st.text("ab .(", min_size=1), after=st.text("ab \n", max_size=8))
def test_a_quote_is_found_where_it_was_put(before: str, quote: str, after: str) -> None:
    if not quote.split():
        return
    text = f"{before}|{quote}|{after}"
    found = find_quote(quote, text)
    assert all(text[start:end].split() == quote.split() for start, end in found)
    inner = len(before) + 1 + len(quote) - len(quote.lstrip())
    assert (inner, inner + len(quote.strip())) in found
