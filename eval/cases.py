"""suite.toml and cases.jsonl -> Suite, strictly: what is not understood is an error, never skipped.

All faults of a suite are reported together, each with its file, line and case."""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from eval.errors import SuiteError
from eval.gates import parse_gates
from eval.types import ONE_GROUP, Case, Evidence, Suite
from rag.types import Role, Turn

_REQUIRED = ("id", "question", "answerable")
_OPTIONAL = ("messages", "answers", "answers_all", "evidence", "references", "documents", "without", "same_as", "tags")
TO_REVIEW = "to-review"
"""Tag of a case whose right answer nobody has written down yet."""

_ROLES: tuple[str, ...] = get_args(Role)


class _Fault(Exception):
    """One thing wrong with one case, on its way into a SuiteError."""


def find_suite(path_or_name: str | Path, suites_dir: Path) -> Path:
    """The folder of a suite: ``suites_dir/NAME`` for a bare name, else a path to the folder or to its suite.toml.

    A name is tried first, so that a folder of documents that is called the same does not stand in its way.
    Raises SuiteError, listing the suites there are."""
    path = Path(path_or_name)
    named = suites_dir / path
    if path.name == str(path_or_name) and (named / "suite.toml").is_file():
        return named
    if path.name == "suite.toml" and path.is_file():
        return path.parent
    if (path / "suite.toml").is_file():
        return path
    known = sorted(found.parent.name for found in suites_dir.glob("*/suite.toml"))
    raise SuiteError(
        f"There is no suite {str(path_or_name)!r}: neither a name in {suites_dir} nor a folder with a suite.toml.",
        remedy=f"Suites there are: {', '.join(known) or 'none'}.",
    )


def load_suite(path_or_name: str | Path, suites_dir: Path) -> Suite:
    """Read a suite, given its name in ``suites_dir`` or a path to it. Evidence is not looked up yet; see resolve.

    Raises SuiteError with every fault of the two files."""
    folder = find_suite(path_or_name, suites_dir)
    settings, cases = _read(folder / "suite.toml"), _read(folder / "cases.jsonl")
    name, source, conditions = _parse_settings(settings, folder)
    return Suite(
        name=name,
        source=source,
        path=folder,
        cases=_parse_cases(cases, folder / "cases.jsonl"),
        gates=parse_gates(conditions, folder / "suite.toml"),
        sha256=sha256(f"{len(settings)}\n{settings}{cases}".encode()).hexdigest(),
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SuiteError(
            f"{path} cannot be read: {error.strerror}.", remedy="A suite is a folder with suite.toml and cases.jsonl."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SuiteError(f"{path}, line {line}: not UTF-8.", remedy="Save the file as UTF-8.") from error


def _parse_settings(text: str, folder: Path) -> tuple[str, str, dict[str, Any]]:
    path = folder / "suite.toml"
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{path} is not TOML: {error}.", remedy="Correct it there.") from error
    problems = [f"{path}: unknown key {key!r}" for key in settings.keys() - {"name", "source", "gates"}]
    for key in ("name", "source"):
        if not isinstance(settings.get(key), str) or not settings[key].strip():
            problems.append(f"{path}: {key!r} must be a text that is not empty")
    if not isinstance(settings.get("gates", {}), dict):
        problems.append(f"{path}: 'gates' must be a table")
    if problems:
        raise SuiteError(
            "The suite's settings are wrong:",
            problems=sorted(problems),
            remedy="suite.toml holds name, source and a table [gates].",
        )
    return settings["name"], settings["source"], settings.get("gates", {})


def _parse_cases(text: str, path: Path) -> tuple[Case, ...]:
    cases: list[Case] = []
    first_line: dict[str, int] = {}
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: JSON may hold U+2028 as it is
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            raw = _decode(line)
            if isinstance(raw.get("id"), str):
                where += f", case {raw['id']!r}"
            case = _parse_case(raw)
        except _Fault as fault:
            problems.append(f"{where}: {fault}")
            continue
        if case.id in first_line:
            problems.append(f"{where}: the id is already used on line {first_line[case.id]}")
            continue
        first_line[case.id] = number
        cases.append(case)
    for case in cases:
        if case.same_as and (case.same_as == case.id or case.same_as not in first_line):
            where = f"{path}, line {first_line[case.id]}, case {case.id!r}"
            problems.append(f"{where}: 'same_as' must name another case, and {case.same_as!r} is none")
    if not cases and not problems:
        problems.append(f"{path}: no cases")
    if problems:
        raise SuiteError(
            "The suite's cases are wrong:", problems=problems, remedy="docs/evaluation.md lists the fields of a case."
        )
    return tuple(cases)


def _decode(line: str) -> dict[str, Any]:
    try:
        raw = json.loads(line, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise _Fault(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(raw, dict):
        raise _Fault("a case is a JSON object")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise _Fault(f"the key {key!r} stands twice in one object")
    return dict(pairs)


def _parse_case(raw: dict[str, Any]) -> Case:
    _check_keys(raw, _REQUIRED, _OPTIONAL, "a case")
    answerable = raw["answerable"]
    if not isinstance(answerable, bool):
        raise _Fault("'answerable' must be true or false")
    case = Case(
        id=_text(raw["id"], "'id'"),
        question=_text(raw["question"], "'question'"),
        answerable=answerable,
        messages=tuple(_parse_turn(item) for item in _list(raw, "messages")),
        answers=tuple(_text(item, "an answer") for item in _list(raw, "answers")),
        answers_all=tuple(_parse_part(item) for item in _list(raw, "answers_all")),
        evidence=tuple(_parse_evidence(item) for item in _list(raw, "evidence")),
        references=tuple(_text(item, "a reference") for item in _list(raw, "references")),
        documents=tuple(_text(item, "a document") for item in _list(raw, "documents")),
        without=tuple(_text(item, "a document") for item in _list(raw, "without")),
        same_as=_text(raw["same_as"], "'same_as'") if "same_as" in raw else "",
        tags=tuple(_text(item, "a tag") for item in _list(raw, "tags")),
    )
    stated = bool(case.answers or case.answers_all or case.evidence or case.references)
    if answerable and not stated and TO_REVIEW not in case.tags:
        raise _Fault("it is answerable, but has no answers, answers_all, evidence or references to judge an answer by")
    if not answerable and stated:
        raise _Fault("it is not answerable, yet it has answers, evidence or references")
    grouped = ["group" in item for item in _list(raw, "evidence")]
    if any(grouped) and not all(grouped):
        raise _Fault("either every entry of 'evidence' names its group or none does")
    if len(set(case.tags)) < len(case.tags):
        raise _Fault("a tag stands twice")
    return case


def _parse_turn(raw: Any) -> Turn:
    _check_keys(raw, ("role", "content"), (), "a message")
    if raw["role"] not in _ROLES:
        raise _Fault(f"the role of a message must be one of {', '.join(_ROLES)}")
    return Turn(role=raw["role"], content=_text(raw["content"], "the content of a message"))


def _parse_part(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, list) and raw:
        return tuple(_text(item, "an alternative in 'answers_all'") for item in raw)
    return (_text(raw, "a part of 'answers_all'"),)


def _parse_evidence(raw: Any) -> Evidence:
    _check_keys(raw, ("source", "quote"), ("group", "start"), "an entry of 'evidence'")
    group = raw.get("group", ONE_GROUP)
    if isinstance(group, bool) or not isinstance(group, int | str) or not str(group).strip():
        raise _Fault("the group of an entry of 'evidence' must be a number or a name")
    start = raw.get("start")
    if start is not None and (isinstance(start, bool) or not isinstance(start, int) or start < 0):
        raise _Fault("the start of an entry of 'evidence' must be a number of characters")
    return Evidence(_text(raw["source"], "a source"), _text(raw["quote"], "a quote"), str(group), start)


def _check_keys(raw: Any, required: tuple[str, ...], optional: tuple[str, ...], what: str) -> None:
    if not isinstance(raw, dict):
        raise _Fault(f"{what} must be a JSON object")
    for key in required:
        if key not in raw:
            raise _Fault(f"{what} must have {key!r}")
    for key in raw:
        if key not in (*required, *optional):
            raise _Fault(f"{what} has the unknown key {key!r}")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Fault(f"{what} must be a text that is not empty")
    return value


def _list(raw: dict[str, Any], key: str) -> list[Any]:
    value = raw.get(key, [])
    if not isinstance(value, list):
        raise _Fault(f"{key!r} must be a list")
    return value
