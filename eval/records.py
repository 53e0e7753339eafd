"""records.jsonl: one line a case, appended as the run goes, so that an interrupted run can be taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from eval.codec import from_json, to_json
from eval.errors import SuiteError
from eval.types import Record, ResolvedSuite

RECORDS = "records.jsonl"
FORMAT = 3  # of a line; a file of another format is not continued


def run_key(resolved: ResolvedSuite, context: Mapping[str, str]) -> str:
    """Names what is being measured: suite, documents, and all that the caller says of the run (generation, settings,
    model). Records with the same key may stand in one file."""
    parts = [FORMAT, resolved.suite.sha256, resolved.corpus.fingerprint, sorted(context.items())]
    return sha256(json.dumps(parts).encode()).hexdigest()


def record_line(record: Record, key: str) -> str:
    """A record as one line of JSON, ended by a line feed. Characters are written as they are, U+2028 included."""
    value = {"format": FORMAT, "run": key, "id": record.case.id, **to_json(record)}
    return json.dumps(value, ensure_ascii=False) + "\n"


def append_record(path: Path, record: Record, key: str) -> None:
    with path.open("ab") as file:
        file.write(record_line(record, key).encode("utf-8", "surrogatepass"))


def read_records(path: Path) -> tuple[Record, ...]:
    """The records of a run, in the order they were written.

    Raises SuiteError naming the line that is not a record."""
    records: list[Record] = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            records.append(_parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SuiteError(
                f"{path}, line {number}: not a record of this version: {error}.", remedy="Run the evaluation again."
            ) from error
    return tuple(records)


def unfinished_records(path: Path, key: str, n_cases: int) -> dict[str, Record]:
    """Case id -> record, of a run with this key that was interrupted; {} when there is nothing to continue.

    A line that was cut off at the end is left out. A finished file is not continued: whoever runs the suite again
    wants it asked again. Neither is a file with a line of another run, or one that cannot be read."""
    found: dict[str, Record] = {}
    lines = _lines(path) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            value = json.loads(line)
            if value["run"] != key:
                return {}
            record = _parse(value)
        except (ValueError, TypeError, KeyError, AttributeError):
            if number == len(lines):
                break
            return {}
        found[record.case.id] = record
    return found if len(found) < n_cases else {}


def _lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().split(b"\n") if line]  # bytes: the last may end within a character


def _parse(value: Any) -> Record:
    return from_json(Record, {name: item for name, item in value.items() if name not in ("format", "run", "id")})
