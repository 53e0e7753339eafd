"""A run as JUnit XML, for CI: one test case a question and one a gate."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from eval.types import Record, Summary

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def junit_xml(summary: Summary, records: tuple[Record, ...]) -> str:
    """A question fails when it did not pass and is an error when it could not be run; a gate fails with its reason."""
    root = ElementTree.Element("testsuites", name=_clean(summary.suite))
    cases = ElementTree.SubElement(
        root,
        "testsuite",
        name=_clean(summary.suite),
        tests=str(len(records)),
        failures=str(sum(not record.passed and record.failure is None for record in records)),
        errors=str(len(summary.failures)),
        time=f"{summary.seconds:.3f}",
        timestamp=summary.started,
    )
    for record in records:
        _add_case(cases, summary, record)
    gates = ElementTree.SubElement(
        root,
        "testsuite",
        name=_clean(f"{summary.suite}.gates"),
        tests=str(len(summary.gates)),
        failures=str(sum(not gate.passed for gate in summary.gates)),
        errors="0",
    )
    for gate in summary.gates:
        name = f"{gate.measure} {gate.condition}"
        test = ElementTree.SubElement(gates, "testcase", classname=_clean(f"{summary.suite}.gates"), name=name)
        if not gate.passed:
            ElementTree.SubElement(test, "failure", message=_clean(gate.reason))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, summary: Summary, record: Record) -> None:
    test = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(summary.suite),
        name=_clean(record.case.id),
        time=f"{record.elapsed_ms / 1000:.3f}",
    )
    if record.passed:
        return
    kind = "failure" if record.failure is None else "error"
    message = "; ".join(f"{measure}: {why}" for measure, why in record.notes.items())
    result = ElementTree.SubElement(test, kind, message=_clean(message))
    if record.failure is not None:
        result.set("type", _clean(record.failure.type))
    answer = "" if record.answer is None else record.answer.text
    result.text = _clean(f"Question: {record.case.question}\nAnswer: {answer}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)
