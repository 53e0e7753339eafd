"""What the commands print: text for people, JSON for programs. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from index.errors import FootnoteError

if TYPE_CHECKING:
    from pathlib import Path

    from api.benching import Quality
    from api.doctor import Finding
    from api.settings import Settings
    from eval.bundle import Check
    from eval.calibrate import Calibration
    from eval.compare import Comparison
    from eval.types import Case, Estimate, Summary
    from index.build import Progress as ProgressCall
    from index.types import GateOutcome, Hit, IngestReport
    from rag.types import Answer, Citation

Asked = Callable[[int, int], None]
"""Called with the number of cases asked and of cases in all."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_BREAKS = re.compile(r"[\t\n\u2028\u2029]")


def _out() -> Console:
    return Console(highlight=False, emoji=False)  # a document's ":ship:" is text


def safe(text: str) -> str:
    """``text`` without what a terminal would obey: control characters, direction overrides and rich's markup."""
    return escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def safe_line(text: str) -> str:
    """``text``, such as a file's name, that must not break the line it stands on."""
    return safe(_BREAKS.sub("\N{REPLACEMENT CHARACTER}", text))


def log_to_stderr(level: str = "warning") -> None:
    """One JSON object a line; control characters come escaped."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def complain(error: FootnoteError) -> None:
    Console(stderr=True, highlight=False, emoji=False).print(f"[bold red]{safe(error.message)}[/] {safe(error.remedy)}")


def show(value: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=list) + "\n")
    else:
        _out().print(safe(text))


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[ProgressCall]:
    """A callback that draws a bar a phase on stderr."""
    if quiet:
        yield lambda *_: None
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<11}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase, total=total or None)
            bars.update(tasks[phase], completed=done, total=total or None)

        yield update


def show_report(report: IngestReport, *, plan: bool, as_json: bool) -> None:
    if as_json:
        show(asdict(report), "", as_json=True)
        return
    out = _out()
    if plan:
        out.print("[bold]Plan[/]: nothing has been written.")
    elif report.published:
        out.print(f"[bold]Published generation {report.generation}[/] in {report.seconds:.1f} s.")
    elif report.gate is not None and not report.gate.passed:
        out.print(f"[bold red]Not published[/]: {safe_line(report.gate.suite)} does not pass on the new index.")
        out.print(f"Generation {report.generation} stays live." if report.generation else "Nothing is live yet.")
    else:
        out.print(f"[bold]Nothing has changed[/]; generation {report.generation} stays live.")
    if report.gate is not None:
        _show_gate(report.gate)
    for name, sources in (
        ("added", report.added),
        ("changed", report.changed),
        ("renamed", [f"{old} -> {new}" for old, new in report.renamed]),
        ("deleted", report.deleted),
        ("duplicate", [f"{source} (same text as {first})" for source, first in report.duplicates]),
        ("skipped", [f"{skip.source} ({skip.reason}: {skip.detail})" for skip in report.skipped]),
        ("stale", [f"{source} (its last good version is served)" for source in report.stale]),
        ("note", [f"{source}: {note}" for source, note in report.warnings]),
    ):
        for source in sources:
            out.print(f"  {name:<10}{safe_line(source)}")
    verb = "would be embedded" if plan else "embedded"
    out.print(
        f"{report.documents} documents, {report.passages} passages, {report.sentences} sentences;"
        f" {report.passages_embedded} passages {verb} ({report.chars_embedded} characters),"
        f" {report.passages_reused} reused; {report.unchanged} files unchanged."
    )


def _show_gate(gate: GateOutcome) -> None:
    out = _out()
    for reason in gate.reasons:
        out.print(f"  [red]gate[/]      {safe(reason)}")
    for case in gate.failed:
        before = {True: "passed before", False: "failed before", None: "new"}[case.passed_before]
        cause = ", a document behind it has changed" if case.documents_changed else ""
        out.print(f"  case      {safe_line(case.id)} ({before}{cause}): {safe_line(case.question)}")
    if not gate.passed:
        out.print("Mend the documents or the suite and index again, or publish it all the same: generations accept.")


def _where(citation: Citation) -> str:
    parts = [citation.source]
    if citation.page is not None:
        parts.append(f"page {citation.page}")
    if citation.slide is not None:
        parts.append(f"slide {citation.slide}")
    if citation.sheet is not None:
        parts.append(f"sheet {citation.sheet}")
    if citation.row is not None:
        parts.append(f"row {citation.row}")
    if citation.heading_path:
        parts.append(" > ".join(citation.heading_path))
    parts.append(f"characters {citation.start_char}-{citation.end_char}")
    return ", ".join(parts)


def show_answer(given: Answer, *, as_json: bool) -> None:
    if as_json:
        show(asdict(given), "", as_json=True)
        return
    out = _out()
    if given.standalone_question != given.question:
        out.print(f"[dim]understood as: {safe(given.standalone_question)}[/]")
    if given.abstained:
        out.print(f"[bold]{safe(given.text)}[/] [dim]({given.reason}, confidence {given.confidence:.2f})[/]")
        for passage in given.passages[:3]:
            text = " ".join(passage.text.split())
            out.print(f"  [dim]nearest:[/] {safe_line(passage.source)}: {safe(text[:160])}")
        return
    for sentence in given.sentences:
        marks = "".join(f"[{n}]" for n in sentence.citations)
        doubt = "" if sentence.citations else " [yellow](not borne out by the documents)[/]"
        out.print(f"{safe(sentence.text)} [bold cyan]{escape(marks)}[/]{doubt}")
    out.print()
    for citation in given.citations:
        changed = " [yellow](the file has changed since)[/]" if citation.source_changed else ""
        out.print(f"[cyan]{escape(f'[{citation.n}]')}[/] {safe_line(_where(citation))}{changed}")
    if given.fallback:
        shorter = "the LLM's answer ends early" if given.mode == "generative" else "quoted, as the LLM was of no use"
        out.print(f"[yellow]{shorter} ({given.fallback})[/]")
    if given.removed_sentences:
        out.print(f"[dim]{given.removed_sentences} of the LLM's sentences not borne out, and left out[/]")
    out.print(f"[dim]generation {given.generation}, confidence {given.confidence:.2f}[/]")


def show_hits(generation: str, query: str, hits: Sequence[Hit], *, as_json: bool) -> None:
    if as_json:
        from api.routes.ask import describe

        show({"generation": generation, "query": query, "passages": [describe(hit) for hit in hits]}, "", as_json=True)
        return
    out = _out()
    for i, hit in enumerate(hits, 1):
        path = " > ".join(hit.passage.place.heading_path)
        out.print(f"[bold]{i}. {safe_line(hit.passage.document.source)}[/] {safe_line(path)} [dim]{hit.score:+.2f}[/]")
        out.print(f"   {safe(' '.join(hit.passage.text.split())[:300])}")


def show_generations(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show({"generations": list(rows)}, "", as_json=True)
        return
    table = Table("name", "state", "created", "documents", "passages", "encoder")
    for row in rows:
        state = "live" if row["live"] else ("" if not row["problem"] else row["problem"])
        counts = row["counts"]
        table.add_row(
            row["name"],
            safe(state),
            row["created_at"],
            str(counts.get("documents", "")),
            str(counts.get("passages", "")),
            safe(row["encoder"]),
        )
    _out().print(table)


def show_summary(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        show(asdict(summary), "", as_json=True)
        return
    out = _out()
    table = Table("measure", "value", "95 % interval", "n", "gate")
    gates = {result.measure: result for result in summary.gates}
    for name, estimate in summary.measures.items():
        gate = gates.get(name)
        verdict = "" if gate is None else f"{gate.condition} {'holds' if gate.passed else 'FAILS'}"
        table.add_row(
            name,
            _number(estimate.value),
            f"{_number(estimate.low)} to {_number(estimate.high)}",
            str(estimate.n),
            verdict,
        )
    out.print(table)
    for failure in summary.failures:
        out.print(f"[red]could not be run[/] {safe(failure.id)}: {safe(failure.type)}: {safe(failure.message)}")
    verdict = "[green]every gate holds[/]" if summary.passed else "[bold red]a gate fails[/]"
    out.print(f"{summary.suite}: {summary.cases_passed} of {summary.cases} cases pass; {verdict}")


def show_added(added: Sequence[tuple[Case, str]], folder: Path, *, as_json: bool) -> None:
    if as_json:
        cases = [{"id": case.id, "question": case.question, "comment": comment} for case, comment in added]
        show({"added": cases}, "", as_json=True)
        return
    for case, comment in added:
        _out().print(f"{safe_line(case.id)}: {safe_line(case.question)} [dim]{safe_line(comment)}[/]")
    if added:
        _out().print(
            f"{len(added)} cases added. In {safe_line(str(folder))}/cases.jsonl, write what the right answer is"
        )
        _out().print(
            'into "answers", with its "evidence", or set "answerable" to false, and remove the tag "to-review".'
        )
    else:
        _out().print("No thumbs-down that the suite does not ask about already.")


def show_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    if as_json:
        holds = all(check.holds for check in checks)
        show({"holds": holds, "checks": [asdict(check) for check in checks]}, "", as_json=True)
        return
    for check in checks:
        state = "[green]holds[/]" if check.holds else "[bold red]FAILS[/]"
        _out().print(f"{state} {safe_line(check.what)}: {safe_line(check.detail)}")


def show_comparison(found: Comparison, *, as_json: bool) -> None:
    if as_json:
        from eval.codec import to_json

        about: dict[str, Any] = {"verdict": found.verdict, "cases": found.cases}
        about |= {"only_before": found.only_before, "only_after": found.only_after}
        parts = {"differences": [asdict(one) for one in found.differences], "changes": to_json(found.changes)}
        show(about | parts, "", as_json=True)
        return
    out = _out()
    table = Table(
        "measure", "before", "after (change, 95 %)", "+", "-", "p", "", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for one in found.differences:
        low, high = one.change.low or 0.0, one.change.high or 0.0
        table.add_row(
            one.measure,
            f"{one.before:.3f}",
            f"{one.after:.3f} ({low:+.2f} to {high:+.2f})",
            str(one.better),
            str(one.worse),
            f"{one.p:.3f}",
            one.verdict,
        )
    out.print(table)
    for change in found.changes:
        if change.passed_before != change.passed_after:
            state = "[red]no longer right[/]" if change.passed_before else "[green]right now[/]"
            why = " [dim](a document behind it has changed)[/]" if change.documents_changed else ""
            out.print(f"{state} {safe_line(change.id)}: {safe_line(change.question)}{why}")
    for name, ids in (("first", found.only_before), ("second", found.only_after)):
        if ids:
            out.print(f"only in the {name} run: {safe_line(', '.join(ids))}")
    out.print(f"{found.cases} questions, {len(found.changes)} answered otherwise. {found.verdict}")


def show_calibration(found: Calibration, *, as_json: bool) -> None:
    if as_json:
        show(asdict(found), "", as_json=True)
        return
    out = _out()
    table = Table("expected", "value", "95 % interval", "n")
    for name in ("abstention_precision", "abstention_recall", "kept"):
        estimate: Estimate = getattr(found, name)
        interval = f"{_number(estimate.low)} to {_number(estimate.high)}"
        table.add_row(name, _number(estimate.value), interval, str(estimate.n))
    out.print(table)
    if found.made:
        out.print("Made questions are easier than those people ask: expect less, and give a suite when you have one.")
    out.print(f"Answers abstain below a confidence of {found.min_confidence:g}.")


def show_quality(quality: Quality, *, as_json: bool) -> None:
    if as_json:
        show(asdict(quality), "", as_json=True)
        return
    out = _out()
    for result in quality.sets:
        failed = f", {result.failed} could not be run" if result.failed else ""
        title = f"{result.name}: {result.questions} questions, {result.documents} documents{failed}"
        table = Table("measure", "reported half", "95 % interval", "n", "whole", title=title, title_justify="left")
        for row in result.rows:
            half = row.reported
            interval = f"{_number(half.low)} to {_number(half.high)}"
            table.add_row(row.measure, _number(half.value), interval, str(half.n), _number(row.whole.value))
        out.print(table)
    out.print(
        f"{quality.seconds:.0f} s; commit {quality.commit[:12]}, settings {quality.settings_hash}, "
        f"encoder {quality.model_fingerprint[:12]}, reader {quality.reader_fingerprint[:12] or 'off'}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        show({"findings": [asdict(finding) for finding in findings]}, "", as_json=True)
        return
    colours = {"ok": "green", "note": "yellow", "failed": "bold red"}
    for finding in findings:
        _out().print(
            f"[{colours[finding.state]}]{finding.state:<7}[/]{safe_line(finding.what)}: {safe_line(finding.detail)}"
        )


def show_settings(current: Settings, kind: type[Settings], *, as_json: bool) -> None:
    values = json.loads(current.model_dump_json())
    if as_json:
        show({"settings": values, "settings_hash": current.settings_hash}, "", as_json=True)
        return
    table = Table("setting", "value", "variable", "what it is")
    for name, field in kind.model_fields.items():
        table.add_row(name, safe(str(values[name])), f"FOOTNOTE_{name.upper()}", field.description or "")
    _out().print(table)
    _out().print("Set them as variables or in footnote.toml in the folder the command is run from.")
