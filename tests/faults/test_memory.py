"""A build that may take little memory indexes what is several times larger, as a build without a bound does.

The bound is on memory of its own (RLIMIT_DATA). How much of that a build of one short document takes is the machine's:
some 260 MiB, most of it buffers and stacks of the libraries' threads, of which there is one here. It is measured, and
ROOM_MB are added. Files that are mapped do not count, because the kernel takes their memory back when it needs it."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from eval.benchmarks.speed.synthetic import SyntheticEncoder
from index.errors import BuildFailed
from index.search import make_query, search
from index.types import EncodedPassage, IngestReport, Matrix
from index.worker import build_in_child
from tests.faults.campaign import Campaigns
from tests.faults.processes import memory_of
from tests.index.shelf import Shelf

ROOM_MB = 96  # for the documents: some blocks of vectors and the lexical index's buffer
_TIMES = 3  # the corpus is larger than that by so much at least
_SAMPLE_S = 0.02
_STEP_MB = 12
_LONG = "abcdefghij" * 8  # a word that the lexical index leaves out, or half of the time would be its


def wide(dim: int, window: int) -> SyntheticEncoder:
    """Vectors of ``dim`` numbers at next to no cost. Importable by a build process."""
    return SyntheticEncoder(_base(dim), [], window=window)


class Hoarding(SyntheticEncoder):
    """Keeps every vector that it has made, as a build does that does not stream."""

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        made = super().encode_passage(text, sentences)
        self.__dict__.setdefault("kept", []).append(made)
        return made


def hoarding(dim: int, window: int) -> SyntheticEncoder:
    return Hoarding(_base(dim), [], window=window)


def _base(dim: int) -> Matrix:
    rows = np.random.default_rng(dim).standard_normal((4, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


class Watch(threading.Thread):
    """What the build process has of memory at most, in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own = 0  # RssAnon
        self.counted = 0  # VmData, of which the bound is
        self.resident = 0  # with pages of files that are mapped
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(_SAMPLE_S):
            for child in children():
                with suppress(OSError, KeyError):  # it has ended meanwhile
                    sizes = memory_of(child)
                    self.own = max(self.own, sizes["RssAnon"] >> 10)
                    self.counted = max(self.counted, sizes["VmData"] >> 10)
                    self.resident = max(self.resident, sizes["VmHWM"] >> 10)


def children() -> Iterator[int]:
    """Spawned processes of this one. multiprocessing would say, but take their exit codes from who waits for them."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"spawn_main" in (entry / "cmdline").read_bytes():
                yield int(entry.name)


@dataclass(frozen=True)
class Size:
    dim: int
    documents: int
    passages: int  # of a document
    long_words: int = 0  # of a passage

    @property
    def window(self) -> int:
        """In tokens: a paragraph fits, and two do not."""
        return 20 + 11 * self.long_words

    @property
    def text_mb(self) -> int:
        return self.documents * self.passages * (self.long_words * (len(_LONG) + 1) + 60) >> 20

    @property
    def vectors_mb(self) -> int:
        return self.documents * self.passages * self.dim * (4 + 2) >> 20


# A push builds the first. Then text alone, several times the vectors, and both so many that they are searched by codes.
SIZES = (Size(8_192, 20, 400), Size(64, 40, 1_000, 120), Size(8_192, 40, 800), Size(256, 80, 1_000, 120))


def write(shelf: Shelf, size: Size, seed: int) -> None:
    drawn = random.Random(seed)
    for number in range(size.documents):
        name = f"{number:04}.txt"
        shelf.write(
            name,
            "\n\n".join(
                f"Gauge {number} of pier {one} read {drawn.randrange(10**8, 10**9)} at noon."
                if not size.long_words
                else f"Gauge {number} of pier {one} read {drawn.randrange(10**8, 10**9)}"
                + f" {_LONG}" * size.long_words
                + "."
                for one in range(size.passages)
            ),
        )


def bounded(shelf: Shelf, load: partial[SyntheticEncoder], megabytes: int) -> tuple[IngestReport, Watch]:
    watch = Watch()
    watch.start()
    try:
        return build_in_child(shelf.options(max_memory_mb=megabytes, extend_from=10**9), load), watch
    finally:
        watch.over.set()
        watch.join()


def answers(shelf: Shelf, size: Size) -> list[list[tuple[str, float]]]:
    encoder = wide(size.dim, size.window)
    with shelf.open() as generation:
        return [
            [(hit.passage.text, hit.score) for hit in search(generation, [make_query(question, encoder)], k=5)]
            for question in ("What did gauge 3 of pier 17 read?", "noon", "Where is the harbour?")
        ]


def hashes(shelf: Shelf) -> dict[str, str]:
    with shelf.open() as generation:
        return {
            name: entry["sha256"]
            for name, entry in generation.manifest.files.items()
            if name in ("vectors.faiss", "vectors.codes", "sentences.f16")
        }


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Each thread of FAISS and of the libraries for matrices sets memory aside; how many there are is the machine's."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setenv("OPENBLAS_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def bound(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> int:
    """In MiB: what a build of one short document gets by with here, and room for the documents."""
    folder = tmp_path_factory.mktemp("base")
    shelf = Shelf(folder / "documents", folder / "data")
    shelf.write("one.txt", "One short document stands here.")
    load = partial(wide, 64, 20)
    base = bounded(shelf, load, 0)[1].counted  # looked at now and then: it may have had more in between
    while base < 1_000:
        shutil.rmtree(shelf.data)
        try:
            bounded(shelf, load, base)
            break
        except BuildFailed:
            base += _STEP_MB
    return base + ROOM_MB


def test_what_is_larger_than_the_bound_is_indexed_within_it(tmp_path: Path, campaign: Campaigns, bound: int) -> None:
    with campaign(
        "M1", "a folder larger than the memory that its build may take", push=1, release=len(SIZES)
    ) as trials:
        for trial in trials:
            size = SIZES[trial]
            assert max(size.text_mb, size.vectors_mb) > _TIMES * ROOM_MB
            shelf = Shelf(tmp_path / f"{trial}", tmp_path / f"{trial}-data")
            free = Shelf(shelf.source, tmp_path / f"{trial}-free")
            write(shelf, size, trial)
            load = partial(wide, size.dim, size.window)
            report, first = bounded(shelf, load, bound)
            assert report.passages_embedded == report.passages >= size.documents * size.passages
            assert first.own <= bound and first.resident <= bound, trial
            _, unbounded = bounded(free, load, 0)
            assert hashes(shelf) == hashes(free) and answers(shelf, size) == answers(free, size), trial

            shelf.write("0000.txt", "Another text stands here.")  # the rest is copied from the generation before
            report, again = bounded(shelf, load, bound)
            assert (len(report.changed), report.passages_embedded, again.own <= bound) == (1, 1, True), trial
            trials.note(
                f"{size.text_mb} MiB of text, {size.vectors_mb} MiB of vectors",
                {
                    "bound": bound,
                    "first": [first.own, first.resident],
                    "unbounded": [unbounded.own, unbounded.resident],
                    "again": [again.own, again.resident],
                },
            )


def test_a_build_that_keeps_its_vectors_is_refused(tmp_path: Path, campaign: Campaigns, bound: int) -> None:
    size = replace(SIZES[0], documents=12)
    shelf = Shelf(tmp_path / "documents", tmp_path / "data")
    write(shelf, size, 0)
    with pytest.raises(BuildFailed, match=rf"more memory than it may take \({bound} MiB"):
        bounded(shelf, partial(hoarding, size.dim, size.window), bound)
    assert not shelf.layout.names()
    campaign.control("M1", "every vector is kept in memory", failed=1, of=1)
