"""Asks the Python advisory services whether a version in lock/ has a known vulnerability.

    make audit

Fails for one that lock/excused.toml does not excuse, and for an excuse that is older than 30 days. Where no service can
be reached it says so and passes, because a build without a network is no fault of the versions. What FLOORS says is
held either way.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from packaging.version import Version

from tools.lockfile import LOCK, Locked, canonical, read

# Below these, each has had a fault that whoever can send a request or a document can use.
FLOORS = {"h11": "0.16", "starlette": "1.3.1", "torch": "2.6", "pypdf": "7.1"}
_EXCUSED_FOR = timedelta(days=30)
_REACH_S = 5.0  # for one question to one service; two services, so that a machine without a network waits ten seconds
_AUDIT_S = 180.0  # for all questions, once one was answered
_SERVICES = (("-s", "pypi"), ("-s", "osv"))


@dataclass(frozen=True, slots=True)
class Finding:
    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join((self.id, *self.aliases))
        return f"{self.package} {self.version}: {names}; fixed in {', '.join(self.fixed_in) or 'no version'}"


@dataclass(frozen=True, slots=True)
class Excuse:
    package: str
    id: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Report:
    """What a service said, and the distributions of which it knows nothing."""

    findings: tuple[Finding, ...]
    unknown: tuple[str, ...]
    audited: int


def below_floor(locked: Sequence[Locked]) -> list[str]:
    """What is locked at a version that FLOORS forbids."""
    return [
        f"{line.name} {line.version} is below {FLOORS[line.name]}"
        for line in locked
        if line.name in FLOORS and Version(line.version) < Version(FLOORS[line.name])
    ]


def excuses(text: str, today: date) -> list[Excuse]:
    """What an excused.toml says; ValueError for an entry that is not whole, comes from the future or is too old."""
    found = []
    for entry in tomllib.loads(text).get("excused", []):
        match entry:
            case {"id": str(id_), "package": str(package), "reason": str(reason), "noted": date() as noted}:
                pass
            case _:
                raise ValueError(f"an excuse has an id, a package, a reason and the day it was noted, not: {entry}")
        if not reason.strip():
            raise ValueError(f"{id_} of {package} is excused without a reason")
        if noted > today:
            raise ValueError(f"{id_} of {package} was noted on {noted}, which is yet to come")
        if today - noted > _EXCUSED_FOR:
            raise ValueError(f"{id_} of {package} was excused on {noted}; that ended after {_EXCUSED_FOR.days} days")
        found.append(Excuse(canonical(package), id_, reason, noted + _EXCUSED_FOR))
    return found


def unexcused(findings: Sequence[Finding], excused: Sequence[Excuse]) -> list[Finding]:
    """The findings that no excuse names, by the id that was found or another name of it."""
    known = {(excuse.package, excuse.id) for excuse in excused}
    return [
        finding
        for finding in findings
        if not known & {(canonical(finding.package), name) for name in (finding.id, *finding.aliases)}
    ]


def parse_report(text: str) -> Report:
    """pip-audit's JSON."""
    findings, unknown, audited = [], [], 0
    for entry in json.loads(text)["dependencies"]:
        if "skip_reason" in entry:
            unknown.append(entry["name"])
            continue
        audited += 1
        findings += [_finding(entry, found) for found in entry["vulns"]]
    return Report(tuple(findings), tuple(unknown), audited)


def _finding(entry: Mapping[str, Any], found: Mapping[str, Any]) -> Finding:
    return Finding(entry["name"], entry["version"], found["id"], tuple(found["aliases"]), tuple(found["fix_versions"]))


def ask(locked: Sequence[Locked], service: Sequence[str], timeout_s: float) -> Report | None:
    """What a service says of these, or None where it does not answer in time."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        # Without markers: what is wanted on other platforms is audited here too.
        lines = {f"{line.name}=={line.version}" for line in locked}
        wanted.write_text("\n".join(sorted(lines)) + "\n", "utf-8")
        command = [
            sys.executable, "-m", "pip_audit", "-r", str(wanted), "--no-deps", "--disable-pip", "--format", "json",
            "--aliases", "on", "--progress-spinner", "off", "--timeout", str(int(_REACH_S)), *service,
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
            return parse_report(done.stdout)  # status 1 when there are findings
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            return None


def audit(locked: Sequence[Locked], services: Sequence[Sequence[str]] = _SERVICES) -> Report | None:
    """What the first service says that answers at all, or None where none does."""
    for service in services:
        known = ask([line for line in locked if line.name in FLOORS][:1], service, _REACH_S)
        if known is not None and known.audited:
            return ask(locked, service, _AUDIT_S)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, default=LOCK, help="the folder of the lock files")
    parser.add_argument("--osv-url", help="ask this service, which speaks OSV's protocol, and no other")
    asked = parser.parse_args(arguments)
    locked = read(folder=asked.lock)
    services = (("-s", "osv", "--osv-url", asked.osv_url),) if asked.osv_url else _SERVICES
    try:
        excused = excuses((asked.lock / "excused.toml").read_text("utf-8"), datetime.now(UTC).date())
    except ValueError as wrong:
        return _say([f"excused.toml: {wrong}"], "")
    faults = below_floor(locked)
    report = audit(locked, services)
    if report is None:
        return _say(faults, f"{len(locked)} versions NOT AUDITED: no advisory service answers here.")
    faults += map(str, unexcused(report.findings, excused))
    unknown = f", nothing known of {', '.join(report.unknown)}" if report.unknown else ""
    return _say(faults, f"{report.audited} versions audited, {len(report.findings)} findings{unknown}.")


def _say(faults: Sequence[str], notice: str) -> int:
    for line in filter(None, (*faults, notice)):
        print(f"audit: {line}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
