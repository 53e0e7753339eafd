"""Asks the Python advisory services whether a version in lock/ has a known vulnerability.

    make audit

Fails for one that lock/excused.toml does not excuse, for a distribution that the service does not know, and for an
excuse that is older than 30 days. Where no service can be reached it says so and passes, because a build without a
network is no fault of the versions; a service that answers once and then no more, or what else goes wrong, fails it.
What FLOORS says is held either way.
"""

from __future__ import annotations

import argparse
import json
import re
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
_REACH_S = 5  # for one answer from the network; two services, so that a machine without one waits ten seconds
_PROBE_S = 30.0  # for one question to one service, with the start of an interpreter on a machine that has much to do
_AUDIT_S = 180.0  # for all questions, once one was answered
# The last line of pip-audit's stderr where it reached nobody: its own words, those of requests, or a proxy's answer.
_UNREACHED = re.compile(
    r"ERROR:\S+:Tip: your network may be blocking"
    r"|requests\.exceptions\.(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError)\b"
)
_REASON = re.compile(r"[\w.]+: \S")  # of a traceback: a type and what it says, which the last line may lack
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


class NoReport(Exception):
    """A service said nothing that could be read, and why. It was reached, or pip-audit itself broke, unless said so."""

    def __init__(self, why: str, *, reached: bool = True) -> None:
        super().__init__(why)
        self.reached = reached


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


def faults(report: Report, excused: Sequence[Excuse]) -> list[str]:
    """What a report says against the locked versions. One that nobody knows is not one that nobody speaks against."""
    unknown = [
        f"{name} is not known to the service, so nobody would say what is wrong with it" for name in report.unknown
    ]
    return [*map(str, unexcused(report.findings, excused)), *unknown]


def ask(locked: Sequence[Locked], service: Sequence[str], timeout_s: float) -> Report:
    """What a service says of these; NoReport where that cannot be told."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        # Without markers: what is wanted on other platforms is audited here too. By public versions, which services
        # know: 2.13.0 for a 2.13.0+cpu.
        lines = {f"{line.name}=={Version(line.version).public}" for line in locked}
        wanted.write_text("\n".join(sorted(lines)) + "\n", "utf-8")
        command = [
            sys.executable, "-m", "pip_audit", "-r", str(wanted), "--no-deps", "--disable-pip", "--format", "json",
            "--aliases", "on", "--progress-spinner", "off", "--timeout", str(_REACH_S), *service,
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            raise NoReport(f"no answer within {timeout_s:.0f} s", reached=False) from None
    try:
        return parse_report(done.stdout)  # status 1 when there are findings
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}, and not a word"]
        reasons = [line for line in said if _REASON.match(line)] or said
        raise NoReport(reasons[-1], reached=not _UNREACHED.match(said[-1])) from None


def audit(locked: Sequence[Locked], services: Sequence[Sequence[str]] = _SERVICES) -> Report | None:
    """What the first service says that answers all questions; None where none can be reached.

    NoReport where one was reached, and neither it nor another answered all.
    """
    broken: NoReport | None = None
    for service in services:
        try:
            if not ask([line for line in locked if line.name in FLOORS][:1], service, _PROBE_S).audited:
                continue  # a mirror, which has packages and no advisories
        except NoReport as why:
            broken = why if why.reached else broken
            continue
        try:
            return ask(locked, service, _AUDIT_S)
        except NoReport as why:
            broken = why  # even when it is not reached any more: it was a moment ago
    if broken is not None:
        raise broken
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
    except ValueError as why:
        return _say([f"excused.toml: {why}"], "")
    wrong = below_floor(locked)
    try:
        report = audit(locked, services)
    except NoReport as why:
        return _say([*wrong, f"the audit broke off: {why}"], "")
    if report is None:
        return _say(wrong, f"{len(locked)} versions NOT AUDITED: no advisory service answers here.")
    wrong += faults(report, excused)
    return _say(wrong, f"{report.audited} versions audited, {len(report.findings)} findings.")


def _say(wrong: Sequence[str], notice: str) -> int:
    for line in filter(None, (*wrong, notice)):
        print(f"audit: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
