"""Campaigns: one fault, tried a few times on every push and, for a release, as often as its share of the time allows.

    with campaign("R1", "the builder is killed at any time", push=30, release=1000) as trials:
        for trial in trials:
            ...  # an assertion that fails ends the campaign, and the record says after how many
        trials.note("killed", 27)

A harness that cannot fail proves nothing, so each row has a null control: the same trials with the protection taken
out, of which some must fail.

    control("R1", "CURRENT is written before the generation is in its place", failed=3, of=10)
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a campaign goes on: without a share, its push count; with one, until its release count or the time."""

    share_s: float | None = None
    record: Path | None = None  # JSON lines, one a campaign or control, and one a test that was skipped or failed

    def write(self, line: dict[str, Any]) -> None:
        """Adds a line to the record, where one is kept; several processes may."""
        if self.record is not None:
            handle = os.open(self.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, (json.dumps(line) + "\n").encode())
            finally:
                os.close(handle)


@dataclass
class Minutes:
    """The time that the campaigns of this process share. What one leaves over goes to those that follow it.

    With several processes nobody knows which campaigns are to be this one's: it goes by its part of them, and as long
    as it does not run the only one, leaves as much again for one that it takes over from another process."""

    seconds: float
    campaigns: int  # of all processes
    processes: int = 1
    begun: float = field(default_factory=time.monotonic)
    run: int = 0

    def share(self) -> float:
        """How many seconds the campaign that is about to run has."""
        left = max(0.0, self.seconds - (time.monotonic() - self.begun))
        to_run = math.ceil(self.campaigns / self.processes) - self.run
        self.run += 1
        return left / max(to_run, 1 if self.processes == 1 else 2)


@dataclass
class Trials:
    """Counts up from 0; at least ``push`` trials, at most ``release``, in between until the share of time is spent."""

    plan: Plan
    push: int
    release: int
    begun: float = field(default_factory=time.monotonic)
    done: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def wanted(self) -> int:
        """How many trials are asked for, if time allows; for campaigns that hand their count on to something else."""
        return self.push if self.plan.share_s is None else self.release

    def __iter__(self) -> Iterator[int]:
        for trial in range(self.wanted):
            if trial >= self.push and self.plan.share_s is not None and self.seconds > self.plan.share_s:
                return
            yield trial
            self.done += 1

    def note(self, name: str, value: Any) -> None:
        """Something counted or measured, for the record."""
        self.notes[name] = value


@dataclass(frozen=True, slots=True)
class Campaigns:
    """What the fixture ``campaign`` gives a test."""

    plan: Plan

    @contextmanager
    def __call__(self, row: str, what: str, *, push: int, release: int) -> Iterator[Trials]:
        trials = Trials(self.plan, push, release)
        ok = False
        try:
            yield trials
            ok = True
            assert trials.done >= push, f"{row} tried {trials.done} of {push}"
        finally:
            self.plan.write(
                {
                    "kind": "campaign", "row": row, "what": what, "trials": trials.done, "of": release, "ok": ok,
                    "seconds": round(trials.seconds, 1), "notes": trials.notes,
                }
            )  # fmt: skip

    def control(self, row: str, what: str, *, failed: int, of: int) -> None:
        """A null control: with the protection taken out, ``failed`` of so many trials failed; none is an error."""
        self.plan.write({"kind": "control", "row": row, "what": what, "failed": failed, "of": of, "ok": failed > 0})
        assert failed > 0, f"{row} cannot fail: {what}"
