"""Embedding while files are still parsed.

Parsing takes one core, and encoding as many as there are. So what parsing finds is handed to the encoder's threads at
once, as far as they keep up, and what they make goes to the journal, where the second half of the build finds it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from index.journal import Journal
from index.schema import StoredPassage
from index.types import EncodedPassage, Encoder, Sentence, SentenceSpan

IN_FLIGHT = 64  # passages handed to the encoder's threads at once


class Ahead:
    """Passages go in by number, and come out as numbers and places in the journal. Not for several threads at once."""

    def __init__(self, encoder: Encoder, journal: Journal, threads: int) -> None:
        """``threads`` encode side by side, one a core when 0."""
        self._encoder = encoder
        self._journal = journal
        self._waiting: deque[tuple[int, bytes, Future[EncodedPassage]]] = deque()
        self._pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), thread_name_prefix="ahead")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def offer(self, number: int, passage: StoredPassage) -> list[tuple[int, int]]:
        """Encode ``passage`` beside what follows, unless too many wait. Returns those written since: their numbers, and
        their places in the journal."""
        if len(self._waiting) < IN_FLIGHT:
            given = encoder_input(passage.text, passage.span.start, passage.span.sentences)
            future = self._pool.submit(self._encoder.encode_passage, *given)
            self._waiting.append((number, passage.key, future))
        written = []
        while self._waiting and self._waiting[0][2].done():
            written.append(self._write())
        return written

    def rest(self) -> Iterator[tuple[int, int]]:
        """Each that is not written yet, as ``offer`` returns them, as soon as it is."""
        while self._waiting:
            yield self._write()

    def _write(self) -> tuple[int, int]:
        number, key, future = self._waiting.popleft()
        return number, self._journal.append(key, future.result())


def encoder_input(
    text: str, start: int, sentences: Sequence[Sentence] | Sequence[SentenceSpan]
) -> tuple[str, list[tuple[int, int]]]:
    """What the encoder is given of a passage that begins at ``start`` of its document: the ``text`` without outer white
    space, and where its sentences lie in that."""
    lead = start + len(text) - len(text.lstrip())
    return text.strip(), [(sentence.start - lead, sentence.end - lead) for sentence in sentences]
