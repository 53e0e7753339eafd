"""An update of a large index that costs what the change costs: the rest is linked or copied whole, never row by row.

Below ``EXTEND_FROM`` passages every build writes its generation anew, in the order of the folder. Above it, a build
that changes little starts from the files of the one before:

- documents.db is copied, and rows are removed and added;
- vectors and sentence vectors keep their base, a link to the same file, and get a tail, which is copied and added to;
- of the lexical index the segments are linked, and one is added.

Rows of passages that are gone stay behind in the vectors and are passed over. When they, or the tail, have become too
many, the next build writes everything anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.changes import Changes
from index.generation import CODES, SENTENCES, SENTENCES_TAIL, VECTORS, Generation
from index.linking import link
from index.types import Matrix

EXTEND_FROM = 5_000  # as many passages are written anew in a few seconds
_MOST_GONE = 0.02  # of all rows; they count in BM25's mean length of a passage
_MOST_ADDED = 0.2  # of the base; the tail is searched exactly


@dataclass(frozen=True, slots=True)
class Base:
    """What a build takes over from the generation before as it is."""

    folder: Path  # of that generation
    rows: int  # passage rows there, with those that are gone
    sentence_rows: int
    rows_in_base: int
    sentence_rows_in_base: int
    tail: Callable[[], Iterable[Matrix]]  # passage vectors after the base, in blocks


def base_of(previous: Generation) -> Base:
    return Base(
        previous.folder,
        len(previous.vectors),
        len(previous.sentences),
        previous.vectors.in_base,
        previous.sentences.in_base,
        previous.vectors.tail,
    )


def is_worth_extending(previous: Generation, changes: Changes, *, extend_from: int) -> bool:
    """Whether the change is small enough, as far as sizes and times of files tell."""
    known = previous.store.known_files().values()
    rows = len(previous.vectors)
    if previous.manifest.counts["passages"] < extend_from:
        return False
    going = sum(file.n_passages for file in (*changes.unseen, *changes.replaced))
    n_bytes = sum(file.stat.size for file in known)
    coming = sum(file.stat.size for file in changes.to_read) * len(previous.lexical) / max(1, n_bytes)
    tail = rows - previous.vectors.in_base
    return (
        len(previous.vectors.gone) + going <= _MOST_GONE * rows
        and tail + coming <= _MOST_ADDED * previous.vectors.in_base
    )


def linked(staged: Path, previous: Generation) -> dict[str, dict[str, Any]]:
    """The files of ``staged`` that are files of ``previous`` too, as its manifest has them: they were read back against
    it when it was opened."""
    entries = previous.manifest.files
    return {name: entry for name, entry in entries.items() if _is_same(staged / name, previous.folder / name)}


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and path.samefile(other)


def take_over(base: Base, staged: Path) -> None:
    """Link and copy into ``staged`` what the build starts from."""
    for name in (VECTORS, CODES, SENTENCES):
        if (base.folder / name).exists():
            link(base.folder / name, staged / name)
    shutil.copyfile(base.folder / "documents.db", staged / "documents.db")
    if (base.folder / SENTENCES_TAIL).exists():
        shutil.copyfile(base.folder / SENTENCES_TAIL, staged / SENTENCES_TAIL)


def no_base(folder: Path) -> Base:
    """Of a build that writes everything anew."""
    return Base(folder, 0, 0, 0, 0, tuple)
