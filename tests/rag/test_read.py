"""One contract for every reader, run on the fake of the tests and on the one that ships."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.computing import payer
from rag.errors import ReaderError
from rag.read import FOLDER, OnnxReader, Reader
from tests.fakes import FakeReader

QUESTION = "When was the harbour opened?"
HARBOUR = ("Harbour of Lund", ("Gulls live on the cliffs nearby.", "The harbour was opened in 1911.", "It is deep."))
SCHOOL = ("School", ("The school has forty pupils.",))


@pytest.fixture(scope="module")
def shipped() -> OnnxReader:
    return OnnxReader()


@pytest.fixture(params=["fake", pytest.param("onnx", marks=pytest.mark.model)])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    yield FakeReader() if request.param == "fake" else request.getfixturevalue("shipped")


class TestContract:
    def test_there_is_a_number_for_every_sentence_of_every_passage(self, reader: Reader) -> None:
        readings = reader.read(QUESTION, [HARBOUR, SCHOOL])
        assert [len(reading.sentences) for reading in readings] == [3, 1]

    def test_the_sentence_that_answers_comes_out_first(self, reader: Reader) -> None:
        harbour, school = reader.read(QUESTION, [HARBOUR, SCHOOL])
        assert max(harbour.sentences) == harbour.sentences[1]
        assert harbour.sentences[1] > school.sentences[0]
        assert harbour.passage > school.passage

    def test_a_passage_is_read_by_itself(self, reader: Reader) -> None:
        (alone,) = reader.read(QUESTION, [SCHOOL])
        assert reader.read(QUESTION, [HARBOUR, SCHOOL])[1] == alone

    def test_nothing_to_read_is_nothing_read(self, reader: Reader) -> None:
        assert reader.read(QUESTION, []) == []

    def test_a_passage_longer_than_the_window_is_read_whole(self, reader: Reader) -> None:
        long = ("Port", tuple(f"Boat number {i} came to the port on a quiet day in May." for i in range(60)))
        (reading,) = reader.read(QUESTION, [long])
        assert len(reading.sentences) == 60
        (endless,) = reader.read(QUESTION, [("", ("word " * 2_000,))])
        assert len(endless.sentences) == 1

    def test_text_without_words_is_read_too(self, reader: Reader) -> None:
        (reading,) = reader.read("🚢" * 300, [("", ("", "—", "東京"))])
        assert len(reading.sentences) == 3


def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "reader"))


@pytest.mark.parametrize("name", ["reader.onnx", "tokenizer.json"])
def test_a_damaged_file_is_not_loaded(tmp_path: Path, name: str) -> None:
    folder = copy(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ReaderError, match="FOOTNOTE_READER=false"):
        OnnxReader(folder)


def test_another_format_is_not_loaded(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    card = json.loads((folder / "reader.json").read_text())
    (folder / "reader.json").write_text(json.dumps(card | {"format": 99}))
    with pytest.raises(ReaderError, match="format 99"):
        OnnxReader(folder)


def test_a_missing_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="FOOTNOTE_READER=false"):
        OnnxReader(tmp_path)


def test_what_ships_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 25_000_000


@pytest.mark.model
def test_who_pays_for_a_question_is_told_what_each_passage_took_to_read(shipped: OnnxReader) -> None:
    spent: list[float] = []
    before = payer.set(spent.append)
    try:
        shipped.read(QUESTION, [HARBOUR, SCHOOL])
    finally:
        payer.reset(before)
    assert len(spent) == 1 and min(spent) > 0.001  # the first is read on this thread, which is told of elsewhere
