"""One build, timed phase by phase. Everything here is run in a child."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from index.build import build
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from index.types import Encoder

Load = Callable[[], Encoder]


@dataclass(frozen=True, slots=True)
class Built:
    load_s: float  # the encoder
    build_s: float  # from the call to published
    phases_s: dict[str, float]  # in order; they add up to build_s
    published: bool
    documents: int
    passages: int
    sentences: int
    passages_embedded: int
    characters_embedded: int


class _Phases:
    """Progress of a build -> how long each phase took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._phase, self._since = "starting", time.perf_counter()

    def __call__(self, phase: str, done: int, total: int) -> None:  # noqa: ARG002 - the signature is a build's
        if phase != self._phase:
            self.close(phase)

    def close(self, following: str = "") -> None:
        now = time.perf_counter()
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = following, now


def timed_build(options: BuildOptions, load: Load) -> Built:
    began = time.perf_counter()
    encoder = load()
    loaded = time.perf_counter()
    phases = _Phases()
    report = build(options, encoder, phases)
    phases.close()
    return Built(
        load_s=loaded - began,
        build_s=time.perf_counter() - loaded,
        phases_s=phases.seconds,
        published=report.published,
        documents=report.documents,
        passages=report.passages,
        sentences=report.sentences,
        passages_embedded=report.passages_embedded,
        characters_embedded=report.chars_embedded,
    )


def open_live(data: Path) -> Generation:
    """The live generation, verified and loaded."""
    layout = Layout(data)
    name, digest = read_current(layout)
    return Generation(layout.generation(name), digest)


def disk_bytes(folder: Path) -> dict[str, int]:
    """Size of each file of a generation; a folder in it counts as one."""
    sizes: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            top = path.relative_to(folder).parts[0]
            sizes[top] = sizes.get(top, 0) + path.stat().st_size
    return dict(sorted(sizes.items()))
