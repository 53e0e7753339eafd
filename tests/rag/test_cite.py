from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index.generation import Generation
from index.types import Passage, Sentence
from rag.cite import cite
from rag.types import Citation
from tests.conftest import World

NOTES = "# Port\n\n## Ferries\n\n🚢 The ferry Aurora sails at noon. The crossing takes 55 minutes.\n"


@pytest.fixture
def generation(make_world: Callable[..., World], tmp_path: Path) -> Iterator[Generation]:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "notes.md").write_text(NOTES, "utf-8")
    world = make_world(folder)
    world.build()
    with world.footnote.library.pin() as generation:
        yield generation


def find(generation: Generation, words: str) -> tuple[Passage, Sentence]:
    """The one sentence that holds ``words``, and its passage."""
    ((passage, sentence),) = [
        (passage, sentence)
        for row in range(len(generation.vectors))
        for passage in generation.store.passages([row])
        for sentence in passage.sentences
        if words in sentence.text
    ]
    return passage, sentence


def footnote(generation: Generation, passage: Passage, sentence: Sentence) -> Citation | None:
    return cite(generation, passage, sentence, n=3, answer_start=100, source_changed=lambda _: None)


def test_a_citation_says_where_its_words_stand(generation: Generation) -> None:
    found = footnote(generation, *find(generation, "crossing"))
    assert found is not None
    (document,) = generation.store.documents()
    text = generation.store.text(document.document_id)
    assert found.cited_text == "The crossing takes 55 minutes."
    assert text[found.start_char : found.end_char] == found.cited_text
    assert (found.n, found.answer_start, found.answer_end) == (3, 100, 100 + len(found.cited_text))
    assert (found.document_id, found.source) == (document.document_id, "notes.md")
    assert (found.source_sha256, found.text_sha256) == (document.source_sha256, document.text_sha256)
    assert found.heading_path == ("Port", "Ferries")
    assert (found.verified, found.support, found.source_changed) == (True, 1.0, None)
    assert found.url == f"/v1/documents/{document.document_id}/text#char={found.start_char},{found.end_char}"


def test_an_emoji_is_one_character(generation: Generation) -> None:
    before = footnote(generation, *find(generation, "Aurora"))
    after = footnote(generation, *find(generation, "crossing"))
    assert before is not None
    assert after is not None
    assert before.cited_text == "🚢 The ferry Aurora sails at noon."
    assert before.answer_end - before.answer_start == len("🚢 The ferry Aurora sails at noon.") == 33
    assert after.start_char == before.end_char + 1


def test_the_file_is_asked_about_by_its_document(generation: Generation) -> None:
    passage, sentence = find(generation, "crossing")
    asked: list[str] = []

    def changed(document_id: str) -> bool:
        asked.append(document_id)
        return True

    found = cite(generation, passage, sentence, n=1, answer_start=0, source_changed=changed)
    assert found is not None
    assert found.source_changed is True
    assert asked == [passage.document.document_id]


def test_no_citation_without_its_passage(generation: Generation) -> None:
    passage, sentence = find(generation, "crossing")
    gone = replace(passage, passage_id=f"{'0' * 20}-0-10")
    assert footnote(generation, gone, sentence) is None


def shifted(sentence: Sentence) -> Sentence:
    return replace(sentence, start=sentence.start + 1, end=sentence.end + 1)


def reworded(sentence: Sentence) -> Sentence:
    return replace(sentence, text=sentence.text.replace("55", "45"))


def emptied(sentence: Sentence) -> Sentence:
    return replace(sentence, text="", end=sentence.start)


def beyond(sentence: Sentence) -> Sentence:
    return replace(sentence, start=10_000, end=10_030)


@pytest.mark.parametrize("change", [shifted, reworded, emptied, beyond])
def test_no_citation_for_words_that_do_not_stand_there(
    generation: Generation, change: Callable[[Sentence], Sentence]
) -> None:
    passage, sentence = find(generation, "crossing")
    assert footnote(generation, passage, sentence) is not None
    assert footnote(generation, passage, change(sentence)) is None
