"""Second half of a build: a vector for every passage and sentence, in row order, embedding only what is new and was
not embedded while files were parsed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from index import vectors
from index.ahead import IN_FLIGHT, encoder_input
from index.extend import Base
from index.generation import SENTENCES, SENTENCES_TAIL, VECTORS, VECTORS_TAIL, Generation
from index.ingest import Origin, VectorSource, VectorSources
from index.journal import Journal
from index.store import Store
from index.types import EncodedPassage, Encoder
from index.vector_writer import write_passages

_PASSAGES = "passages.f32"  # (n, dim), while the index is written
_QUERIES = 256  # sentence vectors that the recall of an inexact index is measured with


def embed(
    folder: Path,
    store: Store,
    sources: VectorSources,
    encoder: Encoder,
    previous: Generation | None,
    journal: Journal,
    base: Base,
    *,
    threads: int = 0,
    exact_rows: int = vectors.EXACT_ROWS,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> vectors.VectorCard:
    """Write vectors.faiss and sentences.f16 into ``folder`` for the passages of ``store``; where ``base`` has rows, the
    tails that follow it.

    ``threads`` encode side by side, one a core when 0; the result does not depend on how many."""
    with _RowFiles(folder, encoder.dim, base) as files:
        done = sources.n_ahead
        progress(done, sources.n_new)
        for row, source, encoded in _in_order(store, sources, encoder, previous, journal, files, threads):
            files.append(encoded)
            if source.is_new:
                journal.append(store.key(row), encoded)
                done += 1
                progress(done, sources.n_new)
    try:
        return _write_index(folder, encoder.dim, previous if base.rows else None, exact_rows)
    finally:
        (folder / _PASSAGES).unlink()


def _write_index(folder: Path, dim: int, extended: Generation | None, exact_rows: int) -> vectors.VectorCard:
    """From the rows in passages.f32: the index, or the tail that follows the one of ``extended``."""
    rows = vectors.RowsOnDisk(folder / _PASSAGES, dim)
    if extended is None:
        sentences = vectors.mapped(folder / SENTENCES, dim)
        asked = sentences[:: max(1, len(sentences) // _QUERIES)].astype(np.float32)
        return write_passages(folder / VECTORS, rows, asked, exact_rows=exact_rows)
    if len(rows):
        write_passages(folder / VECTORS_TAIL, rows)
    else:
        (folder / SENTENCES_TAIL).unlink()
    return vectors.VectorCard(**extended.manifest.vectors)


def _in_order(
    store: Store,
    sources: VectorSources,
    encoder: Encoder,
    previous: Generation | None,
    journal: Journal,
    files: _RowFiles,
    threads: int,
) -> Iterator[tuple[int, VectorSource, EncodedPassage]]:
    """Each row's vectors in row order; the encoder works ahead on its threads while earlier rows are written.

    Of so many that are handed to it together the shorter go first: OpenVINO prepares anew for a text of another length
    than the one before, which takes a twentieth of its time."""
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
        for at in range(0, len(sources), IN_FLIGHT):
            numbers = range(at, min(at + IN_FLIGHT, len(sources)))
            passages = {passage.row: passage for passage in store.passages([sources.first_row + i for i in numbers])}
            ours = {sources.first_row + i: sources[i] for i in numbers}
            new = [passages[row] for row, source in ours.items() if source.is_new]
            futures = {
                one.row: pool.submit(encoder.encode_passage, *encoder_input(one.text, one.start, one.sentences))
                for one in sorted(new, key=lambda one: one.n_tokens)
            }
            waiting.extend(
                (row, source, len(passages[row].sentences), futures.get(row)) for row, source in ours.items()
            )
            while len(waiting) > IN_FLIGHT:
                yield next_row()
        while waiting:
            yield next_row()


class _RowFiles:
    """passages.f32 and sentences.f16, or what follows those of ``base``; appended row by row and readable meanwhile."""

    def __init__(self, folder: Path, dim: int, base: Base) -> None:
        self._dim = dim
        self._base = base
        self._passages = (folder / _PASSAGES).open("w+b")
        for block in base.tail():
            self._passages.write(block.tobytes())
        self._sentences = (folder / (SENTENCES_TAIL if base.rows else SENTENCES)).open("a+b")  # a tail is there already

    def __enter__(self) -> _RowFiles:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._passages.close()
        finally:  # closing writes, which a full disk refuses
            self._sentences.close()

    def append(self, encoded: EncodedPassage) -> None:
        self._passages.write(np.ascontiguousarray(encoded.passage, dtype=np.float32).tobytes())
        self._sentences.write(np.ascontiguousarray(encoded.sentences, dtype=np.float16).tobytes())

    def read(self, source: VectorSource, count: int) -> EncodedPassage:
        """Rows written before: a passage, and ``count`` sentences."""
        self._passages.flush()
        self._sentences.flush()
        row, first = source.passage - self._base.rows_in_base, source.sentence - self._base.sentence_rows_in_base
        passage = os.pread(self._passages.fileno(), self._dim * 4, row * self._dim * 4)
        sentences = os.pread(self._sentences.fileno(), count * self._dim * 2, first * self._dim * 2)
        block = np.frombuffer(sentences, dtype=np.float16).reshape(count, self._dim)
        return EncodedPassage(np.frombuffer(passage, dtype=np.float32), block.astype(np.float32))
