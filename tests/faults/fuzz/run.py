"""python -m tests.faults.fuzz.run TARGET CORPUS -runs=N ...: atheris over one target, with libFuzzer's options.

The seeds are written into the corpus first. Ends with another status than 0 at the first fault, whose input lies where
-artifact_prefix says."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

# Our own code and what of the libraries is Python; C is not followed.
_FOLLOWED = ["index", "docx", "pptx", "openpyxl", "markdown_it", "email", "html", "zipfile", "csv", "nupunkt"]

with atheris.instrument_imports(include=_FOLLOWED):
    from tests.faults.fuzz.targets import make_targets


def main() -> None:
    name, corpus = sys.argv[1], Path(sys.argv[2])
    target = next(one for one in make_targets() if one.name == name)
    with atheris.instrument_imports(include=_FOLLOWED):
        for number, seed in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
            target.run(seed)  # which imports what the format needs
    atheris.Setup([sys.argv[0], *sys.argv[3:], str(corpus)], lambda data: target.run(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
