"""What every speed benchmark starts from and ends with: the settings, models and machine; a JSON file and a chart."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from api.checkout import commit_of_code
from api.compose import Footnote
from api.settings import Settings
from api.speed.builds import Load
from eval.benchmarks.speed.chart import draw
from eval.benchmarks.speed.curves import draw_curves
from eval.benchmarks.speed.machine import describe_machine
from eval.benchmarks.speed.types import About, Curves, Panel, SpeedReport, Table
from index.encode import load_encoder
from index.files import replace_file
from index.generation import Layout
from index.ingest import BuildOptions
from index.types import Encoder
from rag.read import OnnxReader

Told = Callable[[str, int, int], None]
"""Called with what is being measured, how many times it has been, and of how many."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the commands share."""

    settings: Settings
    load: Load  # the encoder; importable by a child
    told: Told
    about: About

    @property
    def folder(self) -> Path:
        return self.settings.data / "bench"

    def options(self, source: Path, data: Path, *, full: bool = False) -> BuildOptions:
        """How the settings have an index built, of another folder into another."""
        with closing(Footnote(self.settings)) as footnote:
            return replace(footnote.build_options(full=full), source=source, data=data)

    def finish(
        self,
        kind: str,
        values: dict[str, Any],
        tables: Sequence[Table],
        panels: Sequence[Panel] | Sequence[Curves],
        notes: Sequence[str] = (),
    ) -> SpeedReport:
        """The report, which is also written as KIND.json and drawn as KIND.svg; a runtime that the settings name is a
        part of those names."""
        named = self.about.runtime
        report_kind = kind if named == "auto" else f"{kind}-{named}"
        report = SpeedReport(report_kind, self.about, values, tuple(tables), tuple(panels), tuple(notes))
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / f"{report_kind}.json", json.dumps(report.as_json(), indent=1) + "\n")
        machine, command = self.about.machine, kind.replace("-synthetic", " --synthetic-vectors")
        caption = (
            f"footnote bench {command}, commit {self.about.short_commit}; {machine.cores} cores, {machine.cpu}; "
            f"load before {machine.load_before:g}" + ("" if named == "auto" else f"; {named}")
        )
        curves = [panel for panel in panels if isinstance(panel, Curves)]
        bars = [panel for panel in panels if isinstance(panel, Panel)]
        drawn = draw_curves(curves, caption) if curves else draw(bars, caption)
        replace_file(self.folder / f"{report_kind}.svg", drawn)
        return report


def start(settings: Settings, load: Callable[[], Encoder] | None = None, told: Told = lambda *_: None) -> Bench:
    """``load`` is for tests, as in Footnote. The encoder is loaded once here, so that a first export is not timed."""
    loader = load or partial(load_encoder, settings.encoder, Layout(settings.data).encoders, settings.runtime)
    about = About(
        commit=commit_of_code(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        settings_hash=settings.settings_hash,
        model_fingerprint=loader().fingerprint,
        reader_fingerprint=OnnxReader().fingerprint if settings.reader else "",
        runtime=settings.runtime,
        machine=describe_machine(),
    )
    return Bench(settings, loader, told, about)
