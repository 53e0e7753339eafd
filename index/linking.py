"""One file in two generations: a second name for it, where the file system has such."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS})


def link(path: Path, other: Path) -> None:
    """Make ``other`` a hard link to ``path``, or a copy where no link can be made."""
    try:
        os.link(path, other)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(path, other)
