"""Whether a source file is still what was indexed."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from index.generation import Generation
from index.walk import Stat


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
