"""Vectors of a build under way, kept so that a build which was interrupted goes on where it stopped.

One file beside the generations, only ever appended to: a line that names the encoder, then one record a passage, each
closed by a checksum. A record that was cut off, and whatever follows it, is dropped. The file is no part of any
generation and is removed when one is published.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from index.types import EncodedPassage, Encoder

_MAGIC = "footnote-journal-1"
_HEAD = struct.Struct("<32sI")  # embedding key, number of sentences
_CHECK = struct.Struct("<I")  # CRC-32 of head and vectors


class Journal:
    """Embedded passages by their embedding key. Used by one build at a time, under the writer lock."""

    def __init__(self, path: Path, encoder: Encoder, *, start_anew: bool = False) -> None:
        """Read the journal; nothing is written before the first append.

        What another encoder made is dropped, and with ``start_anew`` everything is."""
        self._path = path
        self._dim = encoder.dim
        self._head = f"{_MAGIC} {encoder.fingerprint} {encoder.dim}\n".encode()
        self._offsets: dict[bytes, int] = {}  # key -> where its record starts
        self._end = 0 if start_anew else self._load()  # where the next record goes; 0: the file begins anew
        self._stream: BinaryIO | None = None

    def __len__(self) -> int:
        return len(self._offsets)

    def find(self, key: bytes) -> int:
        """Where the vectors of the passage with this key are, for read(); -1 when it is not there."""
        return self._offsets.get(key, -1)

    def read(self, offset: int) -> EncodedPassage:
        """The vectors at a place that find() or append() has named."""
        with self._path.open("rb") as stream:
            stream.seek(offset)
            head = stream.read(_HEAD.size)
            _, count = _HEAD.unpack(head)
            return self._unpack(stream.read(self._size(count)), count)

    def append(self, key: bytes, encoded: EncodedPassage) -> int:
        """Keep the vectors of one passage; returns where they are, for read()."""
        if self._stream is None:
            self._stream = self._begin()
        passage = np.ascontiguousarray(encoded.passage, dtype=np.float32).tobytes()
        sentences = np.ascontiguousarray(encoded.sentences, dtype=np.float16).tobytes()
        body = _HEAD.pack(key, len(encoded.sentences)) + passage + sentences
        self._stream.write(body + _CHECK.pack(zlib.crc32(body)))
        self._stream.flush()  # a killed build has lost nothing of it, and it can be read
        place, self._end = self._end, self._end + len(body) + _CHECK.size
        return place

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def discard(self) -> None:
        """Close and remove the file: what it held is published."""
        try:
            self.close()
        finally:
            self._path.unlink(missing_ok=True)

    def _begin(self) -> BinaryIO:
        """The file, cut to what is whole, ready to be appended to."""
        self._path.touch(mode=0o600)
        stream = self._path.open("r+b")
        stream.truncate(self._end)
        stream.seek(self._end)
        if self._end == 0:
            self._end = stream.write(self._head)
        return stream

    def _size(self, count: int) -> int:
        return self._dim * 4 + count * self._dim * 2

    def _unpack(self, vectors: bytes, count: int) -> EncodedPassage:
        passage = np.frombuffer(vectors, dtype=np.float32, count=self._dim)
        sentences = np.frombuffer(vectors, dtype=np.float16, offset=self._dim * 4).reshape(count, self._dim)
        return EncodedPassage(passage, sentences.astype(np.float32))

    def _load(self) -> int:
        """Note every whole record; returns where the next one is to be written, 0 to begin anew."""
        try:
            stream = self._path.open("rb")
        except FileNotFoundError:
            return 0
        with stream:
            if stream.readline(len(self._head)) != self._head:
                return 0
            while True:
                offset = stream.tell()
                start = stream.read(_HEAD.size)
                if len(start) < _HEAD.size:
                    return offset
                key, count = _HEAD.unpack(start)
                vectors = stream.read(self._size(count))
                check = stream.read(_CHECK.size)
                if len(check) < _CHECK.size or _CHECK.unpack(check)[0] != zlib.crc32(start + vectors):
                    return offset
                self._offsets[key] = offset
