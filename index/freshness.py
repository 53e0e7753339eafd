"""Whether a source file, or the whole folder, is still what was indexed."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from index.errors import SourceError
from index.generation import Generation
from index.walk import Stat, walk


def source_changed(source: Path, generation: Generation, document_id: str) -> bool | None:
    """True when the file is gone or its bytes differ, False when they are the same, None when it cannot be read.

    Costs one stat while size, times and inode are unchanged; otherwise the file is hashed."""
    path, stat, digest = generation.store.location(document_id)
    full = os.path.join(os.fsencode(source), path)
    try:
        found = os.stat(full, follow_symlinks=False)
        if Stat.of(found) == stat:
            return False
        if found.st_size != stat.size or not S_ISREG(found.st_mode):
            return True
        with open(full, "rb") as stream:  # noqa: PTH123 - the name may not be valid UTF-8
            return sha256(stream.read()).hexdigest() != digest
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return None


def folder_changed(source: Path, generation: Generation, *, data: Path, max_bytes: int) -> bool | None:
    """Whether a build would find anything new in the folder; None when it cannot be read.

    Told by names, sizes and times; a file whose times alone differ is read and compared."""
    try:
        files, _ = walk(source, exclude=data, max_bytes=max_bytes)
    except SourceError:
        return None
    known = generation.store.known_files()
    expected = {path: file.stat for path, file in known.items()}
    expected |= {path: stat for path, (stat, _) in generation.store.known_skips().items()}
    seen = {file.path: file.stat for file in files}
    if seen.keys() != expected.keys():
        return True
    for path in (path for path, stat in seen.items() if stat != expected[path]):
        file = known.get(path)
        if file is None or source_changed(source, generation, file.document_id) is not False:
            return True
    return False
