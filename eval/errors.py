"""What eval/ raises beside index.errors. A case that fails to run is never among them: it is a record."""

from __future__ import annotations

from collections.abc import Sequence

from index.errors import FootnoteError

_SHOWN = 20  # problems spelled out in the message; all of them are in ``problems``


class CalibrationError(FootnoteError):
    """What was written by an earlier calibration cannot be used."""


class BundleError(FootnoteError):
    """A file is not an evidence bundle that can be checked."""


class SuiteError(FootnoteError):
    """A suite cannot be used as it is written. ``problems`` holds every fault found, each with file, line and case."""

    def __init__(self, message: str, *, problems: Sequence[str] = (), remedy: str = "") -> None:
        listed = [f"\n  {problem}" for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            listed.append(f"\n  and {len(problems) - _SHOWN} more")
        if listed and remedy:
            remedy = f"\n{remedy}"
        super().__init__(message + "".join(listed), remedy=remedy)
        self.problems = tuple(problems)
