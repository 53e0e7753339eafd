"""Which version of the code is running, for whoever reads a number that it measured."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path


def commit_of_code() -> str:
    """The commit that this code is at, or the installed version when it is no checkout of its own."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return version("footnote")
    try:
        head, changes = (_git(here, *command) for command in (("rev-parse", "HEAD"), ("status", "--porcelain")))
    except (OSError, subprocess.CalledProcessError):
        return version("footnote")
    return head + ("+changes" if changes else "")


def _git(folder: Path, *command: str) -> str:
    run = subprocess.run(  # noqa: S603 - fixed words, and a folder of our own
        ("git", "-C", str(folder), *command),  # noqa: S607 - whichever git the user has
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()
