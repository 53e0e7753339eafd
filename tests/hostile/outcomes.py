"""What is to become of a file: the words that cases are told in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

TEXT = "The brass bell of the north mole was cast in 1702 by Anna Krol. "
CANARY = "canary-7f3a"  # stands in what must never be read
# Where an archive would write that names a path from the root; made at run time, wherever this machine has its own.
ABSOLUTE = str(Path(gettempdir()) / "footnote-absolute.txt")


@dataclass(frozen=True, slots=True)
class Left:
    """The file is left out, for one of these reasons."""

    reasons: str

    def __contains__(self, reason: str) -> bool:
        return reason in self.reasons.split("|")


@dataclass(frozen=True, slots=True)
class Read:
    """The file is indexed; its text holds ``phrase`` and not ``without``, and one of its notes holds ``note``."""

    phrase: str = ""
    note: str = ""
    without: str = CANARY


Outcome = Left | Read
Files = dict[str, tuple[bytes | str, Outcome]]


@dataclass(frozen=True, slots=True)
class Case:
    rows: tuple[int, ...]
    what: str
    files: Callable[[], Files] = dict
    place: Callable[[Path], dict[str, Outcome]] = lambda folder: {}  # for what is more than a name and bytes

    def make(self, folder: Path) -> dict[str, Outcome]:
        """Write the files; what is to become of each, by its name in the folder."""
        folder.mkdir()
        expected = {}
        for name, (content, outcome) in self.files().items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
            expected[name] = outcome
        return expected | self.place(folder)
