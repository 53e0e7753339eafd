"""A speed report on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from api import terminal
from eval.benchmarks.speed.types import SpeedReport


def show_speed(report: SpeedReport, *, as_json: bool) -> None:
    if as_json:
        terminal.show(report.as_json(), "", as_json=True)
        return
    out = Console(highlight=False, emoji=False)
    for one in report.tables:
        table = Table(title=terminal.safe(one.title), title_justify="left")
        for column in one.columns:
            table.add_column(column, overflow="fold")  # a number is never cut short
        for row in one.rows:
            table.add_row(*(terminal.safe(cell) for cell in row))
        out.print(table)
    for note in report.notes:
        out.print(terminal.safe(note))
    about = report.about
    machine = about.machine
    out.print(
        f"commit {about.short_commit}, settings {about.settings_hash}, encoder {about.model_fingerprint[:12]}, "
        f"reader {about.reader_fingerprint[:12] or 'off'}; {machine.cores} cores, "
        f"{terminal.safe(machine.cpu)} ({', '.join(machine.flags)}), load before {machine.load_before:g}"
    )
