"""Every set by its name, and the files it is made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eval.benchmarks import chunking, clapnq, mtrag, squad
from eval.benchmarks.types import Benchmark
from eval.errors import SuiteError

BENCHMARKS: dict[str, Callable[[Path, bool], Benchmark]] = {
    "squad": squad.load,
    "chunking": chunking.load,
    "clapnq": clapnq.load,
    "mtrag-clapnq": lambda folder, quick: mtrag.load(folder, "clapnq", quick),
    "mtrag-fiqa": lambda folder, quick: mtrag.load(folder, "fiqa", quick),
}


def load_benchmark(name: str, data: Path, *, quick: bool = False) -> Benchmark:
    """The set ``name`` from the files below ``data``; ``quick`` takes a fixed part of it.

    Raises SuiteError when there is no such set, or when its files are not there or not what they should be."""
    if name not in BENCHMARKS:
        raise SuiteError(f"There is no set {name!r}.", remedy=f"Sets there are: {', '.join(BENCHMARKS)}.")
    try:
        return BENCHMARKS[name](data, quick)
    except OSError as error:
        raise SuiteError(
            f"The files of {name!r} cannot be read: {error.filename}: {error.strerror}.",
            remedy="Give the folder that holds the sets; docs/quality.md says which files each one has.",
        ) from error
    except (ValueError, KeyError) as error:
        raise SuiteError(
            f"A file of {name!r} is not what it should be ({type(error).__name__}: {error}).",
            remedy="docs/quality.md names the source and version of each set.",
        ) from error
