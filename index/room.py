"""Whether a build fits on the disk, told before anything is written."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from index.errors import DiskFull
from index.extend import Base
from index.generation import SENTENCES_TAIL, VECTORS_TAIL, Generation, Layout
from index.parse import format_of
from index.types import Encoder
from index.walk import FoundFile

_MARGIN = 1.5  # an estimate may be wrong, and others write to the disk meanwhile

# What a first build goes by; later ones go by what the index before took. Text with its words makes 1.2 bytes a byte.
# Vectors lie in the index and in the journal, those of passages a third time while the index is made.
_TEXT_BYTES = 1.2
_CHARS_A_SENTENCE, _CHARS_A_TOKEN = 100, 3  # of a window; few passages fill it
# Rather too little than too much where pictures or attachments may be: a disk that fills all the same costs no more
# than that build.
_SHARE_OF_TEXT = {"html": 0.3, **dict.fromkeys(("pdf", "docx", "pptx", "xlsx", "epub", "eml"), 0.02)}  # others: all
_SENTENCE_BYTES, _PASSAGE_BYTES = 2, 4  # a dimension: float16, float32


def make_sure_of_room(
    layout: Layout, files: Sequence[FoundFile], previous: Generation | None, base: Base, encoder: Encoder
) -> None:
    """Raises DiskFull when the disk has less free than one and a half times what this build is likely to write.

    ``previous`` is the generation whose texts count, ``base`` what is taken over from it."""
    # What lies in the journal is not written again; what it holds of another encoder is written over.
    wanted = estimate(files, previous, base, encoder) - _size(layout.journal)
    total, _, free = shutil.disk_usage(layout.data)
    if total and free < _MARGIN * wanted:  # some file systems of networks do not tell
        raise DiskFull(
            f"The build needs about {_shown(_MARGIN * wanted)} on the disk of the data folder, and {_shown(free)} is"
            " free. Nothing was written.",
            remedy="Free some (footnote generations gc), or have the data folder on a larger disk; or set"
            " FOOTNOTE_CHECK_ROOM=false to have the build go on until the disk is full.",
        )


def estimate(files: Sequence[FoundFile], previous: Generation | None, base: Base, encoder: Encoder) -> int:
    """How many bytes a build of ``files`` is likely to add to the data folder while it runs."""
    plain = _growth(encoder.dim, encoder.window)
    growth = {fmt: share * plain for fmt, share in _SHARE_OF_TEXT.items()}
    if previous is None:
        return round(sum(n_bytes * growth.get(fmt, plain) for fmt, n_bytes in _bytes(files).items()))
    known = previous.store.known_files()
    seen = {FoundFile(path, file.stat) for path, file in known.items()}
    seen |= {FoundFile(path, stat) for path, (stat, _) in previous.store.known_skips().items() if path not in known}
    # A file that was renamed, touched or restored is one that is new and one that is gone: only what is beyond counts.
    coming, going = _bytes(set(files) - seen), _bytes(seen - set(files))
    # How many passages a byte of each format makes here, and what a passage takes here: twice its vectors, as above.
    passages, sizes = Counter[str](), Counter[str]()
    for file in known.values():
        passages[file.format] += file.n_passages
        sizes[file.format] += file.stat.size
    taken = {name: int(entry["size"]) for name, entry in previous.manifest.files.items()}
    a_passage = 2 * sum(taken.values()) / max(1, len(previous.vectors))
    growth |= {fmt: passages[fmt] / sizes[fmt] * a_passage for fmt in passages if sizes[fmt]}
    if base.rows:
        kept = sum(taken.get(name, 0) for name in ("documents.db", SENTENCES_TAIL, VECTORS_TAIL))
    else:
        kept = sum(taken.values()) + 4 * len(previous.vectors) * previous.vectors.dim  # as float32, for a while
    return round(kept + sum(n_bytes * growth.get(fmt, plain) for fmt, n_bytes in (coming - going).items()))


def _bytes(files: Iterable[FoundFile]) -> Counter[str]:
    """Bytes of each format. Of files of one format that are equally long one counts: they are likely to be copies,
    whose text is kept once."""
    found = Counter[str]()
    for fmt, size in {(format_of(file.suffix), file.stat.size) for file in files}:
        found[fmt] += size
    return found


def _growth(dim: int, window: int) -> float:
    """Bytes that one byte of plain text comes to."""
    sentence, passage = 2 * _SENTENCE_BYTES / _CHARS_A_SENTENCE, 3 * _PASSAGE_BYTES / (_CHARS_A_TOKEN * window)
    return _TEXT_BYTES + dim * (sentence + passage)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _shown(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
