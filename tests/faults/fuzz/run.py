"""python -m tests.faults.fuzz.run CORPUS -runs=N ...: atheris over all targets, with libFuzzer's options.

The first byte of an input says which target it is for. The seeds are written into the corpus first. Ends with another
status than 0 at the first fault, whose input lies where -artifact_prefix says."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

# Our own code and what of the libraries is Python; C is not followed.
_FOLLOWED = ["index", "docx", "pptx", "openpyxl", "markdown_it", "email", "html", "zipfile", "csv", "nupunkt"]

with atheris.instrument_imports(include=_FOLLOWED):
    from tests.faults.fuzz.targets import make_targets


def main() -> None:
    corpus, targets = Path(sys.argv[1]), make_targets()

    def one_input(data: bytes) -> None:
        if data:
            targets[data[0] % len(targets)].run(data[1:])

    with atheris.instrument_imports(include=_FOLLOWED):
        for number, target in enumerate(targets):
            for count, seed in enumerate(target.seeds):
                (corpus / f"{target.name}-{count}").write_bytes(bytes([number]) + seed)
                target.run(seed)  # which imports what the format needs
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
