"""The three reports of a run: summary.json for programs, junit.xml for CI, report.html for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from eval.codec import to_json
from eval.junit import junit_xml
from eval.page import report_html
from eval.types import Record, Summary
from index.files import replace_file

REPORTS = ("summary.json", "junit.xml", "report.html")


def summary_json(summary: Summary) -> str:
    """The summary as indented JSON, keys in the order of the fields and of eval.measures.MEASURES."""
    return json.dumps(to_json(summary), ensure_ascii=False, indent=2) + "\n"


def write_reports(summary: Summary, records: Sequence[Record], out: Path) -> tuple[Path, ...]:
    """Write REPORTS into the folder ``out`` and return their paths. Raises OSError when they cannot be written."""
    out.mkdir(parents=True, exist_ok=True)
    contents = (summary_json(summary), junit_xml(summary, tuple(records)), report_html(summary, tuple(records)))
    for name, content in zip(REPORTS, contents, strict=True):
        replace_file(out / name, content)
    return tuple(out / name for name in REPORTS)
