"""Runs every campaign at its release count, as far as the minutes given allow, and writes docs/fault-record.md.

python -m tests.faults.record --minutes 90
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "fault-record.md"
# Campaigns that measure what a server does under load have the machine to themselves, after the others.
_ALONE_SHARE = 0.3
_REASON_CHARS = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=90.0, help="for all campaigns together (90)")
    parser.add_argument(
        "--again", metavar="NAMES", help="only tests whose names match, as pytest -k; added to the record"
    )
    given = parser.parse_args()
    minutes = given.minutes
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "record.jsonl"
        named = ["-k", given.again] if given.again else []
        share = 0.0 if given.again else _ALONE_SHARE
        among = ["-n", "auto", "--dist", "worksteal", "-m", "not alone", *named]
        together = _run(among, lines, minutes * (1 - share))
        alone = 0 if given.again else _run(["-m", "alone"], lines, minutes * share)
        read = [json.loads(line) for line in lines.read_text("utf-8").splitlines()] if lines.exists() else []
    took = (time.monotonic() - began) / 60
    if given.again:
        RECORD.write_text(RECORD.read_text("utf-8") + _again(read, given.again, _about()), "utf-8")
    else:
        RECORD.write_text(render(read, minutes=minutes, took=took, about=_about()), "utf-8")
    print(f"{RECORD.relative_to(ROOT)}: {len(read)} lines, {took:.0f} minutes")  # noqa: T201
    return together or alone


def _run(options: Sequence[str], lines: Path, minutes: float) -> int:
    environment = {**os.environ, "FOOTNOTE_FAULT_MINUTES": str(minutes), "FOOTNOTE_FAULT_RECORD": str(lines)}
    limit = str(int(minutes * 60 + 600))  # a campaign that hangs is ended, one that has much to do is not
    command = [sys.executable, "-m", "pytest", "tests/faults", "--timeout", limit, "--no-cov", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _about() -> dict[str, str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip() or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
    }


def render(lines: Sequence[Mapping[str, Any]], *, minutes: float, took: float, about: Mapping[str, str]) -> str:
    """The record as Markdown: campaigns and their counts, the null controls, and what failed or was skipped."""
    campaigns = sorted((line for line in lines if line["kind"] == "campaign"), key=_order)
    controls = sorted((line for line in lines if line["kind"] == "control"), key=_order)
    out = [
        "# Fault record",
        "",
        f"Written by `make fault MINUTES={minutes:g}` on {about['date']} at commit {about['commit']}, on "
        f"{about['cores']} cores, in {took:.0f} minutes. What each row is for stands in "
        "[failure-modes.md](failure-modes.md).",
        "",
        "A campaign ends at its release count or when its share of the minutes is spent; what it leaves over goes to "
        "those that follow. No failure in n trials bounds "
        "the rate of failure at 3/n, with 95 % confidence.",
        "",
        *_table(campaigns),
        "",
        "## Null controls",
        "",
        "The same trials with the protection taken out. They have to fail, or the campaign above could not have.",
        "",
        "| row | taken out | failed | of |",
        "|---|---|---|---|",
    ]
    out += [f"| {line['row']} | {line['what']} | {line['failed']} | {line['of']} |" for line in controls]
    out += _untried(lines, "failed", "Failed", "Tests that failed, some of them before or after their trials.")
    out += _untried(lines, "skipped", "Skipped", "What the machine that wrote this could not try, and why.")
    return "\n".join(out) + "\n"


def _again(lines: Sequence[Mapping[str, Any]], names: str, about: Mapping[str, str]) -> str:
    """What is added to the record when some campaigns are run once more."""
    campaigns = sorted((line for line in lines if line["kind"] == "campaign"), key=_order)
    told = f"On {about['date']} at commit {about['commit']}, those whose names match `{names}`."
    failed = _untried(lines, "failed", "Failed again", "Tests that failed.")
    return "\n".join(["", "## Tried again", "", told, "", *_table(campaigns), *failed]) + "\n"


def _table(campaigns: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = ["| row | what was tried | trials | of | held | seconds | counted |", "|---|---|---|---|---|---|---|"]
    for line in campaigns:
        notes = ", ".join(f"{name} {value}" for name, value in line["notes"].items())
        held = "yes" if line["ok"] else "**no**"
        cells = [line["row"], line["what"], line["trials"], line["of"], held, f"{line['seconds']:g}", notes]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows


def _untried(lines: Sequence[Mapping[str, Any]], kind: str, title: str, what: str) -> list[str]:
    found = sorted((line for line in lines if line["kind"] == kind), key=_order)
    if not found:
        return []
    rows = (f"| {line['row']} | {line['what']} | {_in_a_cell(line['reason'])} |" for line in found)
    return ["", f"## {title}", "", what, "", "| row | test | reason |", "|---|---|---|", *rows]


def _in_a_cell(reason: str) -> str:
    first = next(iter(reason.strip().splitlines()), "")
    return first[:_REASON_CHARS].replace("|", "\\|")


def _order(line: Mapping[str, Any]) -> tuple[str, int, str]:
    return line["row"][:1], int("".join(filter(str.isdigit, line["row"])) or 0), line["what"]


if __name__ == "__main__":
    sys.exit(main())
