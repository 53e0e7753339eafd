from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import CorruptGeneration
from index.freshness import source_changed
from index.generation import Generation
from index.store import Store
from index.types import Passage
from rag.answer import ABSTAINED_TEXT, MAX_QUESTION_BYTES, AnswerOptions, answer, final
from rag.errors import BadQuestion
from rag.types import Event, Question
from tests.conftest import World
from tests.rag.port import ALWAYS, OPENED, PORT, ask, assert_footnoted, parts

NEVER = AnswerOptions(min_confidence=1.0)  # no evidence is that good


# -- answers -----------------------------------------------------------------------------------------------------------


def test_passages_come_first_then_sentences_then_the_whole(port: World) -> None:
    found, sentences, given = parts(ask(port, OPENED))
    assert found.answer_id == given.answer_id
    assert found.generation == given.generation == "000001"
    assert found.passages == given.passages
    assert tuple(event.sentence for event in sentences) == given.sentences
    assert tuple(citation for event in sentences for citation in event.citations) == given.citations


def test_two_sentences_are_quoted_and_each_has_its_own_footnote(port: World) -> None:
    given = final(iter(ask(port, OPENED)))
    assert "The harbour was opened in 1911 by Mayor Ilse Brandt." in given.text
    assert "Building the harbour cost 4.2 million crowns." in given.text
    assert len(given.sentences) >= 2
    assert_footnoted(port, given)


def test_offsets_count_code_points(port: World) -> None:
    given = final(iter(ask(port, Question("How many models of ships does the museum keep?"))))
    (quoted,) = [citation for citation in given.citations if "300 models" in citation.cited_text]
    assert quoted.source == "museum.txt"
    assert PORT["museum.txt"][quoted.start_char : quoted.end_char] == quoted.cited_text
    assert_footnoted(port, given)


def test_what_is_not_cited_is_only_among_the_passages(port: World) -> None:
    given = final(iter(ask(port, Question("When does the ferry Aurora sail?"))))
    assert len(given.passages) == len(PORT)
    assert "weather.txt" not in {citation.source for citation in given.citations}
    assert "weather.txt" in {passage.source for passage in given.passages}


def test_the_passages_are_slices_of_their_documents_best_first(port: World) -> None:
    given = final(iter(ask(port, OPENED)))
    assert given.passages[0].source == "harbour.txt"
    assert [passage.score for passage in given.passages] == sorted((p.score for p in given.passages), reverse=True)
    for passage in given.passages:
        assert passage.text == PORT[passage.source][passage.start_char : passage.end_char]


def test_k_bounds_the_passages(port: World) -> None:
    assert len(final(iter(ask(port, replace(OPENED, k=2)))).passages) == 2


def test_the_same_question_to_the_same_generation_has_the_same_answer(port: World) -> None:
    first, second = (final(iter(ask(port, OPENED))) for _ in range(2))
    assert replace(first, timings_ms={}) == replace(second, timings_ms={})


def test_another_question_or_generation_has_another_answer_id(port: World) -> None:
    before = final(iter(ask(port, OPENED))).answer_id
    assert final(iter(ask(port, replace(OPENED, k=3)))).answer_id != before
    (port.source / "crane.txt").write_text("A crane stands on the quay.")
    port.build()
    assert final(iter(ask(port, OPENED))).answer_id != before


def test_it_says_how_long_each_step_took(port: World) -> None:
    timings = final(iter(ask(port, OPENED))).timings_ms
    assert set(timings) == {"encode", "retrieve", "read", "answer", "total"}
    assert timings["total"] >= max(timings["encode"], timings["retrieve"], timings["answer"]) > 0


# -- abstaining --------------------------------------------------------------------------------------------------------


def test_abstaining_has_a_reason_and_the_nearest_passages_and_no_sentence(port: World) -> None:
    found, sentences, given = parts(ask(port, OPENED, NEVER))
    assert (given.abstained, given.reason, given.text) == (True, "weak_evidence", ABSTAINED_TEXT)
    assert (sentences, given.sentences, given.citations) == ([], (), ())
    assert given.passages[0].source == "harbour.txt"
    assert found.passages == given.passages
    assert 0.0 < given.confidence < 1.0


def test_by_default_it_abstains_from_what_the_documents_do_not_say(port: World) -> None:
    given = final(iter(ask(port, Question("Who was crowned king of Sweden?"), AnswerOptions())))
    assert (given.abstained, given.reason) == (True, "weak_evidence")
    assert not final(iter(ask(port, OPENED, AnswerOptions()))).abstained


# -- among some documents ----------------------------------------------------------------------------------------------


def test_documents_are_chosen_by_source_or_by_id(port: World) -> None:
    by_source = final(iter(ask(port, replace(OPENED, documents=("ferry.txt",)))))
    assert {passage.source for passage in by_source.passages} == {"ferry.txt"}
    assert {citation.source for citation in by_source.citations} <= {"ferry.txt"}
    by_id = final(iter(ask(port, replace(OPENED, documents=(by_source.passages[0].document_id,)))))
    assert by_id.passages == by_source.passages
    assert by_id.text == by_source.text


def test_documents_that_are_not_indexed_are_left_out(port: World) -> None:
    given = final(iter(ask(port, replace(OPENED, documents=("harbour.txt", "atlantis.txt")))))
    assert {passage.source for passage in given.passages} == {"harbour.txt"}
    assert not given.abstained


@pytest.mark.parametrize("name", ["atlantis.txt", "", "../harbour.txt", "%", "a\0b", "' OR 1=1 --"])
def test_only_documents_that_are_not_indexed(port: World, name: str) -> None:
    given = final(iter(ask(port, replace(OPENED, documents=(name,)))))
    assert (given.abstained, given.reason) == (True, "not_indexed")
    assert (given.sentences, given.citations, given.passages) == ((), (), ())


def test_of_two_documents_with_one_text_the_one_asked_for_is_cited(port: World) -> None:
    (port.source / "zz-copy.txt").write_text(PORT["harbour.txt"], "utf-8")
    port.build()
    for name in ("harbour.txt", "zz-copy.txt"):
        given = final(iter(ask(port, replace(OPENED, documents=(name,)))))
        assert {citation.source for citation in given.citations} == {name}
        assert_footnoted(port, given)
    assert "zz-copy.txt" not in {citation.source for citation in final(iter(ask(port, OPENED))).citations}


# -- questions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (" \n\t ", "is empty"),
        ("?!... --- \"'", "is empty"),
        ("\0\u202e", "is empty"),
        ("a" * (MAX_QUESTION_BYTES + 1), "longer than 8000 bytes"),
        ("ø" * (MAX_QUESTION_BYTES // 2 + 1), "longer than 8000 bytes"),
    ],
)
def test_a_question_that_cannot_be_answered_as_put(port: World, text: str, complaint: str) -> None:
    with pytest.raises(BadQuestion, match=complaint):
        ask(port, Question(text))


@pytest.mark.parametrize(
    "text",
    [
        'AND ( " * : harbour opened',
        "harbour~2^3 +opened -cost text:harbour [a TO b]",
        "🚢🚢 museum 👩‍👩‍👧‍👦?",
        "harbour\0opened",
        "\u202eharbour opened\u202c",
        "harbour " * 875,
        "a",
        "½ ٣ 港は何年に開きましたか",
        "' ; DROP TABLE passages; --x",
        "e" + "\u0301" * 500 + " harbour",
    ],
)
def test_an_odd_question_gets_an_ordinary_answer_or_abstention(port: World, text: str) -> None:
    given = final(iter(ask(port, Question(text), AnswerOptions())))
    assert given.abstained == bool(given.reason) == (not given.sentences)
    assert given.question == text
    assert_footnoted(port, given)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(max_size=60), st.lists(st.sampled_from(" ".join(PORT.values()).split())).map(" ".join)))
def test_whatever_is_asked_every_sentence_is_footnoted(port: World, text: str) -> None:
    try:
        given = final(iter(ask(port, Question(text))))
    except BadQuestion:
        assert not any(character.isalnum() for character in text)
    else:
        assert_footnoted(port, given)


# -- damage ------------------------------------------------------------------------------------------------------------


class Altered(Store):
    """Reads passages back other than they were when they were found."""

    def __init__(self, path: Path, old: str, new: str) -> None:
        super().__init__(path)
        self._change = old, new

    def passage_by_id(self, passage_id: str) -> Passage:
        found = super().passage_by_id(passage_id)
        return replace(found, text=found.text.replace(*self._change))


@pytest.fixture
def altered(port: World) -> Iterator[Callable[[str, str], list[Event]]]:
    """Ask of a generation whose store changed between finding and citing."""
    opened: list[Generation] = []

    def run(old: str, new: str) -> list[Event]:
        folder = port.footnote.layout.generation("000001")
        generation = Generation(folder)
        generation.store.close()
        generation.store = Altered(folder / "documents.db", old, new)
        opened.append(generation)
        return list(answer(OPENED, generation, port.encoder, source_changed=lambda _: False, options=ALWAYS))

    yield run
    for generation in opened:
        generation.close()


def test_a_citation_that_no_longer_matches_is_removed_and_counted(
    port: World, altered: Callable[[str, str], list[Event]]
) -> None:
    whole = final(iter(ask(port, OPENED)))
    _, shown, given = parts(altered("1911", "1912"))
    assert given.removed_citations == 1
    assert len(given.sentences) == len(shown) == len(whole.sentences) - 1
    assert "191" not in given.text
    assert "Building the harbour cost 4.2 million crowns." in given.text
    assert_footnoted(port, given)


def test_with_every_citation_removed_it_abstains(altered: Callable[[str, str], list[Event]]) -> None:
    _, shown, given = parts(altered(" ", "_"))
    assert given.removed_citations >= 2
    assert (shown, given.abstained, given.reason, given.text) == ([], True, "no_evidence", ABSTAINED_TEXT)


def test_a_text_damaged_on_disk_under_an_open_reader_is_never_shown(port: World) -> None:
    with port.footnote.library.pin() as generation:  # verified and open; nothing of its text has been read
        path = port.footnote.layout.generation(generation.name) / "documents.db"
        whole = path.read_bytes()
        assert whole.count(b"opened in 1911") == 1
        with path.open("r+b") as stream:
            stream.seek(whole.index(b"opened in 1911"))
            stream.write(b"opened in 1899")
        with pytest.raises(CorruptGeneration, match="is damaged"):
            list(answer(OPENED, generation, port.encoder, source_changed=lambda _: False, options=ALWAYS))


def test_a_row_rewritten_with_sqlite_itself_is_never_shown(port: World) -> None:
    path = port.footnote.layout.generation("000001") / "documents.db"
    with port.footnote.library.pin() as generation:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("UPDATE passages SET text = replace(text, '1911', '1899')")
        connection.close()
        with pytest.raises(CorruptGeneration, match="is damaged"):
            list(answer(OPENED, generation, port.encoder, source_changed=lambda _: False, options=ALWAYS))


# -- the file today ----------------------------------------------------------------------------------------------------


def touched(path: Path) -> None:
    os.utime(path, (1, 1))


def edited(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace("1911", "1912"), "utf-8")


def longer(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + " And more.", "utf-8")


def rewritten(path: Path) -> None:
    text = path.read_bytes()
    path.unlink()
    path.write_bytes(text)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(touched, False), (rewritten, False), (edited, True), (longer, True), (Path.unlink, True)],
)
def test_a_citation_says_whether_its_file_has_changed(
    port: World, change: Callable[[Path], Any], expected: bool
) -> None:
    change(port.source / "harbour.txt")
    with port.footnote.library.pin() as generation:
        events = answer(
            OPENED,
            generation,
            port.encoder,
            source_changed=lambda document_id: source_changed(port.source, generation, document_id),
            options=ALWAYS,
        )
        given = final(events)
    about = {citation.source: citation.source_changed for citation in given.citations}
    assert about["harbour.txt"] is expected
    assert not any(changed for source, changed in about.items() if source != "harbour.txt")
    assert_footnoted(port, given)
