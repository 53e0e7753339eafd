"""What a look at the folder says before any file is read: whether anything differs, and how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from index.generation import Generation
from index.schema import KnownFile
from index.types import IngestReport, Skipped
from index.walk import FoundFile


@dataclass(frozen=True, slots=True)
class Changes:
    to_read: tuple[FoundFile, ...]  # new, or with another size, time or inode than when they were last read
    unseen: tuple[KnownFile, ...]  # indexed, and not found
    replaced: tuple[KnownFile, ...]  # indexed, and now to be read again
    left_out: tuple[Skipped, ...]  # found, unchanged, and known to hold nothing that can be indexed


def look(files: Iterable[FoundFile], previous: Generation) -> Changes:
    """Compare what was found with what ``previous`` knows."""
    known, skips = previous.store.known_files(), previous.store.known_skips()
    to_read, replaced, left_out = [], [], []
    unseen = dict(known)
    for file in files:
        before = unseen.pop(file.path, None)
        if before is not None and before.stat == file.stat:
            continue
        skip = skips.get(file.path)
        if skip is not None and skip[0] == file.stat and before is None:
            left_out.append(skip[1])
            continue
        to_read.append(file)
        if before is not None:
            replaced.append(before)
    return Changes(tuple(to_read), tuple(unseen.values()), tuple(replaced), tuple(left_out))


def unchanged(changes: Changes, skipped: Sequence[Skipped], previous: Generation) -> IngestReport | None:
    """The report of a build for which there is nothing to do; None when there may be something.

    ``skipped`` is what the scan left out."""
    before = previous.manifest.report
    if changes.to_read or changes.unseen or before["stale"]:
        return None
    now = sorted([*skipped, *changes.left_out], key=lambda skip: skip.source)
    if now != [Skipped(**skip) for skip in before["skipped"]]:
        return None
    return IngestReport(
        generation=previous.name,
        published=False,
        unchanged=before["documents"],
        duplicates=tuple((source, first) for source, first in before["duplicates"]),
        skipped=tuple(now),
        warnings=tuple((source, note) for source, note in before["warnings"]),
        documents=before["documents"],
        passages=before["passages"],
        sentences=before["sentences"],
        passages_reused=before["passages"],
    )
