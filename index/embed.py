"""Second half of a build: a vector for every passage and sentence, in row order, embedding only what is new."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from index import vectors
from index.generation import Generation
from index.ingest import Origin, VectorSource, VectorSources
from index.journal import Journal
from index.store import Store
from index.types import EncodedPassage, Encoder, Passage

_IN_FLIGHT = 64  # passages handed to the encoder's threads ahead of the one being written
_BLOCK_ROWS = 4096  # vectors handed to FAISS at a time


def embed(
    folder: Path,
    store: Store,
    sources: VectorSources,
    encoder: Encoder,
    previous: Generation | None,
    journal: Journal,
    *,
    threads: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Write vectors.faiss and sentences.f16 into ``folder`` for the passages of ``store``.

    ``threads`` encode side by side, one a core when 0; the result does not depend on how many."""
    with _RowFiles(folder, encoder.dim) as files:
        done = 0
        progress(done, sources.n_new)
        for row, source, encoded in _in_order(store, sources, encoder, previous, journal, files, threads):
            files.append(encoded)
            if source.is_new:
                journal.append(store.key(row), encoded)
                done += 1
                progress(done, sources.n_new)
    rows = np.fromfile(folder / "passages.f32", dtype=np.float32).reshape(-1, encoder.dim)  # (n, dim)
    blocks = (rows[i : i + _BLOCK_ROWS] for i in range(0, len(rows), _BLOCK_ROWS))
    vectors.write_passages(folder / "vectors.faiss", encoder.dim, blocks)
    (folder / "passages.f32").unlink()


def _in_order(
    store: Store,
    sources: VectorSources,
    encoder: Encoder,
    previous: Generation | None,
    journal: Journal,
    files: _RowFiles,
    threads: int,
) -> Iterator[tuple[int, VectorSource, EncodedPassage]]:
    """Each row's vectors in row order; the encoder works ahead on its threads while earlier rows are written."""
    waiting: deque[tuple[int, VectorSource, int, Future[EncodedPassage] | None]] = deque()

    def next_row() -> tuple[int, VectorSource, EncodedPassage]:
        row, source, count, future = waiting.popleft()
        if future is not None:
            return row, source, future.result()
        if source.origin is Origin.OWN:
            return row, source, files.read(source, count)
        if source.origin is Origin.JOURNAL:
            return row, source, journal.read(source.passage)
        assert previous is not None
        sentences = previous.sentences.rows(source.sentence, source.sentence + count)
        return row, source, EncodedPassage(previous.vectors.rows([source.passage])[0], sentences)

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), thread_name_prefix="encode") as pool:
        for row in range(len(sources)):
            source = sources[row]
            (passage,) = store.passages([row])
            future = pool.submit(encoder.encode_passage, *_input(passage)) if source.is_new else None
            waiting.append((row, source, len(passage.sentences), future))
            if len(waiting) >= _IN_FLIGHT:
                yield next_row()
        while waiting:
            yield next_row()


def _input(passage: Passage) -> tuple[str, list[tuple[int, int]]]:
    """What the encoder is given: the text without outer white space, and where its sentences lie in that."""
    lead = passage.start + len(passage.text) - len(passage.text.lstrip())
    return passage.text.strip(), [(sentence.start - lead, sentence.end - lead) for sentence in passage.sentences]


class _RowFiles:
    """passages.f32 and sentences.f16, appended row by row and readable meanwhile."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._dim = dim
        self._passages = (folder / "passages.f32").open("w+b")
        self._sentences = (folder / "sentences.f16").open("w+b")

    def __enter__(self) -> _RowFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._passages.close()
        self._sentences.close()

    def append(self, encoded: EncodedPassage) -> None:
        self._passages.write(np.ascontiguousarray(encoded.passage, dtype=np.float32).tobytes())
        self._sentences.write(np.ascontiguousarray(encoded.sentences, dtype=np.float16).tobytes())

    def read(self, source: VectorSource, count: int) -> EncodedPassage:
        """Rows written before: a passage, and ``count`` sentences."""
        self._passages.flush()
        self._sentences.flush()
        passage = os.pread(self._passages.fileno(), self._dim * 4, source.passage * self._dim * 4)
        sentences = os.pread(self._sentences.fileno(), count * self._dim * 2, source.sentence * self._dim * 2)
        block = np.frombuffer(sentences, dtype=np.float16).reshape(count, self._dim)
        return EncodedPassage(np.frombuffer(passage, dtype=np.float32), block.astype(np.float32))
