"""What a speed benchmark reports, before it is printed, written or drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eval.benchmarks.speed.machine import Machine


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity that was measured several times."""

    median: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def spread(values: Iterable[float]) -> Spread:
    """Raises ValueError when there is none."""
    some = sorted(values)
    if not some:
        raise ValueError("nothing was measured")
    return Spread(float(np.median(some)), float(some[0]), float(some[-1]), len(some))


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of how long one thing took, in milliseconds, linear between neighbours."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    n: int


def latency(seconds: Iterable[float]) -> Latency:
    """Raises ValueError when nothing was timed."""
    some = np.asarray(list(seconds), dtype=np.float64) * 1000
    if not len(some):
        raise ValueError("nothing was timed")
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(some, [50, 95, 99]))
    return Latency(p50, p95, p99, len(some))


@dataclass(frozen=True, slots=True)
class About:
    """What a benchmark was run with."""

    commit: str  # of the checkout that ran, "+changes" when files differed from it; a version when it is none
    measured_at: str  # UTC, ISO 8601
    settings_hash: str
    model_fingerprint: str
    reader_fingerprint: str  # "" when the reader is off
    runtime: str  # of the encoder, as the settings name it
    machine: Machine

    @property
    def short_commit(self) -> str:
        head, _, changes = self.commit.partition("+")
        return head[:12] + (f"+{changes}" if changes else "")


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one unit."""

    title: str
    unit: str
    bars: tuple[tuple[str, float], ...]  # label, length >= 0


@dataclass(frozen=True, slots=True)
class Curves:
    """What is measured at several sizes, in one unit."""

    title: str
    unit: str
    xs: tuple[float, ...]  # sizes, ascending, > 0
    lines: tuple[tuple[str, tuple[float, ...]], ...]  # name, a value > 0 for each size; two at most


@dataclass(frozen=True, slots=True)
class SpeedReport:
    kind: str  # index, query, limit, peers, scale or all; "-" and the runtime after it where that is not the default
    about: About
    values: dict[str, Any]  # everything that was measured, as JSON
    tables: tuple[Table, ...]
    panels: tuple[Panel | Curves, ...]  # all of one kind
    notes: tuple[str, ...] = ()  # what a reader of the numbers must know

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self.about), "notes": list(self.notes), **self.values}


def number(value: float) -> str:
    """Three figures, and no more places than they need."""
    if value != value or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f}"
