"""Writing a file so that readers see the old one or the new one, never a part."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 beside ``path``, then rename it into place."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
