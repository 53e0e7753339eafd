"""A comparison as one HTML page."""

from __future__ import annotations

from html import escape

from eval.compare import Change, Comparison, Difference, Run
from eval.markup import h, page, table, tag


def comparison_html(found: Comparison) -> str:
    """The page: verdict, measures, then the questions answered otherwise, those that got worse first."""
    body = "\n".join((_verdict(found), _measures(found), _changes(found), _about(found)))
    return page(f"Comparison: {found.after.summary.suite}", body)


def _verdict(found: Comparison) -> str:
    css = "failed" if any(one.verdict == "worse" for one in found.differences) else "passed"
    return (
        h("p", "Footnote comparison", "kicker")
        + h("h1", found.after.summary.suite)
        + h("p", found.verdict, f"verdict {css}")
        + h("p", f"{found.cases} questions in both runs, {len(found.changes)} answered otherwise.")
    )


def _measures(found: Comparison) -> str:
    head = ("Measure", "Before", "After", "Change, 95 %", "Better", "Worse", "p", "")
    return h("h2", "Measures") + table(head, (_measure(one) for one in found.differences))


def _measure(one: Difference) -> str:
    low, high = one.change.low or 0.0, one.change.high or 0.0
    css = "fails" if one.verdict == "worse" else "holds"
    return tag(
        "tr",
        tag("td", h("code", one.measure))
        + h("td", f"{one.before:.3f}", "n")
        + h("td", f"{one.after:.3f}", "n")
        + h("td", f"{one.change.value or 0.0:+.3f} ({low:+.3f} to {high:+.3f})", "n")
        + h("td", str(one.better), "n")
        + h("td", str(one.worse), "n")
        + h("td", f"{one.p:.3f}", "n")
        + tag("td", h("span", one.verdict, f"state {css}") if one.verdict else ""),
    )


def _changes(found: Comparison) -> str:
    if not found.changes:
        return ""
    return h("h2", "Answered otherwise, worst first") + "".join(_change(change) for change in found.changes)


_STATES = {
    (True, False): ("no longer right", "state fails"),
    (False, True): ("right now", "state holds"),
    (True, True): ("still right", "state"),
    (False, False): ("still wrong", "state"),
}


def _change(change: Change) -> str:
    state, css = _STATES[change.passed_before, change.passed_after]
    head = h("span", state, css) + h("span", change.question, "question") + h("span", change.id, "id")
    differing = "".join(
        tag("li", f"{h('code', name)} {escape(f'{_number(one)} to {_number(other)}')}")
        for name, (one, other) in change.measures.items()
    )
    told = f"{change.passages} passages and {change.citations} footnotes are new."
    if change.documents_changed:
        told += " A document behind it has changed."
    sides = (("Before", change.before), ("After", change.after))
    columns = "".join(tag("section", h("h3", name) + h("p", text)) for name, text in sides)
    inner = (
        tag("summary", head) + tag("ul", differing, "notes") + tag("div", columns, "columns") + h("p", told, "values")
    )
    opened = {"open": "open"} if change.passed_before != change.passed_after else {}
    return tag("details", inner, "case", **opened)


def _number(value: float | None) -> str:
    return "does not apply" if value is None else f"{value:.2f}"


def _about(found: Comparison) -> str:
    facts = {"before": _named(found.before), "after": _named(found.after)}
    alone = {"only before": ", ".join(found.only_before), "only after": ", ".join(found.only_after)}
    rows = "".join(h("dt", name) + h("dd", fact) for name, fact in (facts | alone).items() if fact)
    return h("h2", "About these runs") + tag("dl", rows)


def _named(run: Run) -> str:
    about = run.summary
    return (
        f"{run.name}: generation {about.generation}, settings {about.settings_hash}, "
        f"model {about.model_fingerprint[:12]}, {about.started}"
    )
