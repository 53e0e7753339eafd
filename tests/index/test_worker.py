"""A build in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from index.errors import BuildFailed, EncoderError, SourceError
from index.ingest import BuildOptions
from index.types import EncodedPassage, Encoder
from index.worker import build_in_child
from tests.fakes import FakeEncoder, make_fake_encoder
from tests.index.shelf import Shelf, counts


def refuse_to_load() -> Encoder:
    raise EncoderError("No such encoder.", remedy="Name another.")


def break_down() -> Encoder:
    raise RuntimeError("something nobody thought of")


class Suicidal(FakeEncoder):
    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_passage(text, sentences)


def die_while_embedding() -> Encoder:
    return Suicidal()


def test_a_build_in_a_child_does_what_a_build_does_and_says_how_far_it_is(shelf: Shelf, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    options = BuildOptions(shelf.source, tmp_path / "other", threads=1)
    report = build_in_child(options, make_fake_encoder, lambda *progress: heard.append(progress))
    assert counts(report) == replace(counts(shelf.build(full=True)), generation="")
    other = Shelf(shelf.source, tmp_path / "other")
    assert other.texts() == shelf.texts()
    for question in ("When does the tide turn?", "rope"):
        ours, theirs = shelf.ask(question), other.ask(question)
        assert [(hit.passage.passage_id, hit.score) for hit in ours] == [
            (hit.passage.passage_id, hit.score) for hit in theirs
        ]
    phases = list(dict.fromkeys(phase for phase, _, _ in heard))
    assert phases == ["loading", "scanning", "parsing", "embedding", "writing", "publishing"]
    assert ("parsing", 3, 3) in heard and ("embedding", 3, 3) in heard


@pytest.mark.parametrize(
    ("load", "error", "words"),
    [
        (refuse_to_load, EncoderError, "No such encoder. Name another."),
        (break_down, BuildFailed, "RuntimeError: something nobody thought of"),
        (die_while_embedding, BuildFailed, "exit code -9"),
    ],
)
def test_a_child_that_fails_says_so_and_the_old_generation_stays(
    shelf: Shelf, load: Callable[[], Encoder], error: type[Exception], words: str
) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    before = (shelf.live, shelf.ask("tide"))
    with pytest.raises(error) as caught:
        build_in_child(shelf.options(), load)
    assert words in str(caught.value)
    assert (shelf.live, shelf.ask("tide")) == before
    assert shelf.build().added == ("nets.txt",)  # the lock is free again, and nothing stands in the way
    assert not list(shelf.layout.generations.glob(".staging-*"))


def hungry() -> Encoder:
    """Wants a gigabyte before the first passage."""
    bytearray(1 << 30)
    return make_fake_encoder()


def test_a_build_takes_no_more_memory_than_it_may(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    before = shelf.live
    with pytest.raises(BuildFailed, match=r"more memory than it may take \(1000 MiB") as caught:
        build_in_child(shelf.options(max_memory_mb=1_000), hungry)
    assert "FOOTNOTE_MAX_MEMORY_MB" in caught.value.remedy
    assert shelf.live == before
    assert build_in_child(shelf.options(), hungry).added == ("nets.txt",)  # without the bound it has what it wants


def test_an_error_in_the_source_folder_comes_back_typed(shelf: Shelf) -> None:
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        build_in_child(BuildOptions(shelf.source / "gone", shelf.data), make_fake_encoder)
    assert "--source" in caught.value.remedy
    assert time.monotonic() - started < 9  # the child is not waited for until its deadline
