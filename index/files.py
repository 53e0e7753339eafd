"""Writing a small file so that readers see the old one or the new one, never a part, and a power cut takes neither."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Give ``path`` new content, as UTF-8: at any instant it holds the old text or the new one, whole."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(text.encode("utf-8", "surrogatepass"))
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    fsync(path.parent)


def fsync(path: Path) -> None:
    """Have the disk keep a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
