"""A run as one HTML page: no scripts, no network, every text escaped.

What texts become is in eval.markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from statistics import fmean

from eval.markup import h, page, plot, table, tag
from eval.measures import DECISIVE, LOWER_IS_BETTER, MEASURES, PER_CASE
from eval.types import Case, Estimate, GateResult, Record, Summary, Ungrounded
from rag.types import Answer, Citation

_TAG_COLUMNS = (
    "answer_correct",
    "citation_exact",
    "citation_precision",
    "citation_recall",
    "groundedness",
    "abstention_recall",
    "recall_at_5",
)
_NAMED = frozenset({"generation", "settings_hash", "model_fingerprint"})  # of the context, by names of their own
_FEWEST_POINTS = 5  # of a curve; fewer say nothing
_SHOWN_PASSAGES = 3  # of an abstention, where passages are all there is to look at


def report_html(summary: Summary, records: tuple[Record, ...]) -> str:
    """The page: verdict, measures beside gates, tags, then the cases, worst first."""
    title = f"{summary.suite}: {'passed' if summary.passed else 'failed'}"
    body = "\n".join(
        (
            _verdict(summary),
            _measures(summary),
            _curve(summary),
            _tags(summary),
            _failures(summary),
            h("h2", "Cases, worst first"),
            *(_case(record) for record in sorted(records, key=_badness)),
            _about(summary),
        )
    )
    return page(title, body)


def _verdict(summary: Summary) -> str:
    held = sum(gate.passed for gate in summary.gates)
    right = f"{summary.cases_passed} of {summary.cases} cases passed"
    unrun = f", {len(summary.failures)} could not be run" if summary.failures else ""
    gates = f"{held} of {len(summary.gates)} gates hold" if summary.gates else "the suite has no gates"
    word = "Passed" if summary.passed else "Failed"
    reasons = "".join(h("li", gate.reason) for gate in summary.gates if not gate.passed)
    return (
        h("p", "Footnote evaluation", "kicker")
        + h("h1", summary.suite)
        + tag("p", f"{h('strong', word)}: {escape(f'{gates}; {right}{unrun}.')}", f"verdict {word.lower()}")
        + (tag("ul", reasons, "reasons") if reasons else "")
    )


def _measures(summary: Summary) -> str:
    gates = {gate.measure: gate for gate in summary.gates}
    rows = (_measure_row(name, estimate, gates.get(name)) for name, estimate in summary.measures.items())
    return h("h2", "Measures") + table(("Measure", "Value", "95 % interval", "n", "Gate"), rows)


def _measure_row(name: str, estimate: Estimate, gate: GateResult | None) -> str:
    interval = "" if estimate.low is None else f"{_number(name, estimate.low)} – {_number(name, estimate.high)}"
    state = "" if gate is None else ("holds" if gate.passed else "fails")
    verdict = "" if gate is None else f"{h('span', state, f'state {state}')} {escape(gate.condition)}"
    what = h("code", name) + h("small", MEASURES[name])
    return tag(
        "tr",
        tag("td", what)
        + h("td", _number(name, estimate.value), "n strong")
        + h("td", interval, "n")
        + h("td", str(estimate.n), "n")
        + tag("td", verdict, "gate"),
    )


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("_ms"):
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{value:.3f}"


def _curve(summary: Summary) -> str:
    """Share of wrong answers over the share of questions answered, when those least sure are left out."""
    points = summary.risk_coverage
    if len(points) < _FEWEST_POINTS:
        return ""
    told = "If only the surest answers were given: how many of the questions, and what share of the answers is wrong."
    drawn = plot(points, "questions answered", "answers wrong")
    return h("h2", "Risk and coverage") + h("p", told, "muted") + drawn


def _tags(summary: Summary) -> str:
    if not summary.tags:
        return ""
    rows = (
        tag(
            "tr",
            h("td", table.tag)
            + h("td", f"{table.passed} / {table.cases}", "n")
            + "".join(h("td", _number(name, table.measures[name].value), "n") for name in _TAG_COLUMNS),
        )
        for table in summary.tags
    )
    head = ("Tag", "Passed", *(name.replace("_", " ") for name in _TAG_COLUMNS))
    return h("h2", "By tag") + table(head, rows)


def _failures(summary: Summary) -> str:
    if not summary.failures:
        return ""
    items = "".join(
        tag("li", f"{_link(failure.id)}: {escape(f'{failure.type}: {failure.message}')}")
        for failure in summary.failures
    )
    return h("h2", "Could not be run") + tag("ul", items, "reasons")


def _link(case_id: str) -> str:
    return tag("a", escape(case_id), href=f"#case-{case_id}")


def _badness(record: Record) -> tuple[bool, bool, float]:
    """Sorts crashed cases first, then wrong ones, then by the mean of their measures."""
    values = [value for name, value in record.measures.items() if value is not None and name not in LOWER_IS_BETTER]
    return record.failure is None, record.passed, fmean(values) if values else 0.0


def _case(record: Record) -> str:
    state = "passed" if record.passed else ("wrong" if record.failure is None else "could not run")
    head = (
        h("span", state, f"state {'holds' if record.passed else 'fails'}")
        + h("span", record.case.question, "question")
        + h("span", " · ".join((record.case.id, *record.case.tags)), "id")
    )
    notes = "".join(
        tag("li", f"{h('code', name)} {escape(why)}", "decisive" if name in (*DECISIVE, "failed") else "")
        for name, why in record.notes.items()
    )
    inner = (
        tag("summary", head)
        + _conversation(record.case)
        + (tag("ul", notes, "notes") if notes else "")
        + tag("div", _answer(record) + _expected(record), "columns")
        + _values(record)
    )
    opened = {} if record.passed else {"open": "open"}
    return tag("details", inner, "case", id=f"case-{record.case.id}", **opened)


def _conversation(case: Case) -> str:
    turns = "".join(tag("p", f"{h('b', turn.role)} {escape(turn.content)}") for turn in case.messages)
    return tag("div", turns, "turns") if turns else ""


def _answer(record: Record) -> str:
    answer = record.answer
    if answer is None:
        return tag("section", h("h3", "Answer") + h("p", "none: asking failed", "muted"))
    if answer.abstained:
        nearest = "".join(
            tag("li", h("q", passage.text) + h("cite", f"{passage.source} {passage.start_char}–{passage.end_char}"))
            for passage in answer.passages[:_SHOWN_PASSAGES]
        )
        told = h("p", f"Abstained: {answer.reason}.") + (h("p", answer.text) if answer.text else "")
        return tag("section", h("h3", "Answer") + told + tag("ul", nearest, "footnotes"))
    notes = "".join(tag("li", _footnote(citation), value=str(citation.n)) for citation in answer.citations)
    text = tag("p", _footnoted(answer, record.ungrounded), "answer")
    return tag("section", h("h3", "Answer") + text + (tag("ol", notes, "footnotes") if notes else ""))


def _footnoted(answer: Answer, faults: Sequence[Ungrounded]) -> str:
    """The answer's text with a raised number where each footnoted part ends, and what nothing bears out marked."""
    marked = _marked(answer.text, faults)
    pieces: list[str] = []
    at = 0
    for citation in sorted(answer.citations, key=lambda citation: (citation.answer_end, citation.n)):
        end = max(at, min(citation.answer_end, len(answer.text)))
        pieces += [_with_marks(answer.text, at, end, marked), h("sup", str(citation.n))]
        at = end
    return "".join(pieces) + _with_marks(answer.text, at, len(answer.text), marked)


def _marked(text: str, faults: Sequence[Ungrounded]) -> list[tuple[int, int]]:
    """The spans of ``text`` to be marked, ascending: words that found no support, or the whole of their sentence."""
    spans: set[tuple[int, int]] = set()
    for fault in faults:
        found = [
            (fault.start + place.start(), fault.start + place.end())
            for word in fault.words
            for place in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text[fault.start : fault.end])
        ]
        spans.update(found or [(fault.start, fault.end)])
    return sorted(spans)


def _with_marks(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> str:
    pieces: list[str] = []
    at = start
    for first, last in spans:
        first, last = max(first, at), min(last, end)
        if first < last:
            pieces += [escape(text[at:first]), h("mark", text[first:last])]
            at = last
    return "".join(pieces) + escape(text[at:end])


def _footnote(citation: Citation) -> str:
    page = f", page {citation.page}" if citation.page is not None else ""
    where = f"{citation.source}{page}, {citation.start_char}–{citation.end_char}"
    unverified = "" if citation.verified else h("span", "not verified", "state fails")
    return h("q", citation.cited_text) + h("cite", where) + unverified


def _expected(record: Record) -> str:
    case = record.case
    if not case.answerable:
        return tag("section", h("h3", "Expected") + h("p", "to abstain: the documents do not say"))
    parts = [part for part in (case.answers, *case.answers_all) if part]
    wanted = "".join(h("li", " or ".join(f"“{phrase}”" for phrase in part)) for part in parts)
    several = len({span.group for span in record.evidence}) > 1
    evidence = "".join(
        tag(
            "li",
            h("q", span.quote)
            + h("cite", f"{span.source} {span.start}–{span.end}{f', group {span.group}' if several else ''}"),
        )
        for span in record.evidence
    )
    return tag(
        "section",
        h("h3", "Expected")
        + (tag("ul", wanted) if wanted else "")
        + (h("h3", "Evidence") + tag("ul", evidence, "footnotes") if evidence else ""),
    )


def _values(record: Record) -> str:
    shown = ((name, record.measures[name]) for name in PER_CASE if name != "failed")
    listed = [f"{name} {value:.2f}" for name, value in shown if value is not None]
    return h("p", " · ".join((*listed, f"{record.elapsed_ms:,.0f} ms")), "values")


def _about(summary: Summary) -> str:
    facts = {"started": summary.started, "seconds": f"{summary.seconds:.1f}", "suite": summary.suite_sha256}
    named = {
        "generation": summary.generation,
        "settings": summary.settings_hash,
        "model": summary.model_fingerprint,
    }
    rest = {key: value for key, value in summary.context.items() if key not in _NAMED}
    rows = "".join(h("dt", key) + h("dd", value or "not given") for key, value in {**facts, **named, **rest}.items())
    return h("h2", "About this run") + tag("dl", rows)
