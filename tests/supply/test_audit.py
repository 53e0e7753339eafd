"""The audit fails for a known vulnerability that nobody has excused lately, and says so where it could ask nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools import audit
from tools.lockfile import LOCK, Locked, read

TODAY = date(2026, 3, 31)
OLD = Locked("h11", "0.14.0", "", ("0" * 64,))
FOUND = audit.Finding("H11", "0.14.0", "GHSA-vqfr-h8mv-ghfj", ("CVE-2025-43859",), ("0.16.0",))


def excuse(**fields: Any) -> str:
    entry = {"id": "CVE-1", "package": "lamp", "reason": "It is never lit.", "noted": date(2026, 3, 1), **fields}
    shown = {name: value.isoformat() if isinstance(value, date) else json.dumps(value) for name, value in entry.items()}
    return "[[excused]]\n" + "\n".join(f"{name} = {value}" for name, value in shown.items() if value != "null") + "\n"


# -- what is locked ----------------------------------------------------------------------------------------------------


def test_no_version_that_is_locked_is_below_its_floor() -> None:
    assert audit.below_floor(read()) == []
    assert {"h11", "starlette", "torch"} <= {line.name for line in read("runtime", "torch")}


def test_a_version_below_its_floor_is_named() -> None:
    assert audit.below_floor([OLD, Locked("starlette", "1.3.1", "", OLD.hashes)]) == ["h11 0.14.0 is below 0.16"]


# -- excuses -----------------------------------------------------------------------------------------------------------


def test_the_excuses_that_are_made_hold_today() -> None:
    audit.excuses((LOCK / "excused.toml").read_text("utf-8"), datetime.now(UTC).date())


def test_an_excuse_holds_for_thirty_days() -> None:
    (made,) = audit.excuses(excuse(), TODAY)
    assert (made.package, made.id, made.until) == ("lamp", "CVE-1", TODAY)
    with pytest.raises(ValueError, match="ended after 30 days"):
        audit.excuses(excuse(), date(2026, 4, 1))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"reason": "  "}, "without a reason"),
        ({"reason": None}, "not: "),
        ({"id": None}, "not: "),
        ({"package": None}, "not: "),
        ({"noted": None}, "not: "),
        ({"noted": "soon"}, "not: "),
        ({"noted": date(2026, 4, 1)}, "yet to come"),
    ],
)
def test_an_excuse_that_is_not_whole_is_an_error(fields: Mapping[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        audit.excuses(excuse(**fields), TODAY)


@pytest.mark.parametrize(
    ("package", "name", "left"),
    [
        ("h11", FOUND.id, 0),
        ("h11", FOUND.aliases[0], 0),
        ("H11", FOUND.id, 0),
        ("h11", "CVE-1", 1),
        ("h2", FOUND.id, 1),
    ],
)
def test_an_excuse_is_for_one_fault_of_one_package(package: str, name: str, left: int) -> None:
    assert len(audit.unexcused([FOUND], audit.excuses(excuse(package=package, id=name), TODAY))) == left


def test_what_a_service_does_not_know_is_neither_audited_nor_let_pass() -> None:
    dependencies = [
        {"name": "h11", "version": "0.14.0", "vulns": [
            {"id": FOUND.id, "fix_versions": ["0.16.0"], "aliases": list(FOUND.aliases), "description": ""}]},
        {"name": "rich", "version": "15.0.0", "vulns": []},
        {"name": "lamp", "skip_reason": "Dependency not found"},
    ]  # fmt: skip
    report = audit.parse_report(json.dumps({"dependencies": dependencies, "fixes": []}))
    assert (report.audited, report.unknown, [found.id for found in report.findings]) == (2, ("lamp",), [FOUND.id])
    assert [fault.split()[0] for fault in audit.faults(report, [])] == ["h11", "lamp"]
    excused = audit.excuses(excuse(package="h11", id=FOUND.id), TODAY)
    assert [fault.split()[0] for fault in audit.faults(report, excused)] == ["lamp"]


# -- the whole way, with a service on this machine ---------------------------------------------------------------------

ADVISORY = {
    "id": FOUND.id,
    "aliases": list(FOUND.aliases),
    "summary": "A chunk may end wrongly.",
    "affected": [
        {
            "package": {"name": "h11", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.16.0"}]}],
        }
    ],
}


HANGS_UP = b""


@contextmanager
def service(advisories: Mapping[str, Any], asked_for: list[str] | None = None) -> Iterator[str]:
    """Answers as OSV does: the advisories for the package that is asked about, or bytes as they are."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if asked_for is not None:
                asked_for.append(f"{asked['package']['name']} {asked['version']}")
            answer = advisories.get(asked["package"]["name"], {})
            if answer == HANGS_UP:
                return
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    pytest.importorskip("pip_audit", reason="pip-audit is not installed")
    (tmp_path / "runtime.txt").write_text(
        str(Locked("h11", "0.16.0", "", OLD.hashes)) + str(Locked("lamp", "1.0", "", OLD.hashes))
    )
    (tmp_path / "excused.toml").write_text("")
    return tmp_path


def test_a_vulnerable_version_fails_until_it_is_excused(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advisory = json.loads(json.dumps(ADVISORY).replace('"h11"', '"lamp"').replace("0.16.0", "1.1"))
    with service({"lamp": {"vulns": [advisory]}}) as url:
        assert audit.main(["--lock", str(lock), "--osv-url", url]) == 1
        told = capsys.readouterr().out
        assert "audit: lamp 1.0: " in told and "fixed in 1.1" in told
        assert FOUND.id in told and FOUND.aliases[0] in told
        (lock / "excused.toml").write_text(excuse(id=FOUND.aliases[0], noted=datetime.now(UTC).date()))
        assert audit.main(["--lock", str(lock), "--osv-url", url]) == 0
        assert "audit: 2 versions audited, 1 findings." in capsys.readouterr().out


def test_without_advisories_it_passes(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service({}) as url:
        assert audit.main(["--lock", str(lock), "--osv-url", url]) == 0
    assert "audit: 2 versions audited, 0 findings." in capsys.readouterr().out


def test_where_nobody_answers_it_says_so_and_holds_the_floors(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service({}) as url:
        pass  # and is gone
    assert audit.main(["--lock", str(lock), "--osv-url", url]) == 0
    assert "2 versions NOT AUDITED" in capsys.readouterr().out
    (lock / "runtime.txt").write_text(str(OLD))
    assert audit.main(["--lock", str(lock), "--osv-url", url]) == 1
    assert "h11 0.14.0 is below 0.16" in capsys.readouterr().out


def test_a_build_of_one_s_own_is_asked_about_by_the_version_that_services_know(lock: Path) -> None:
    (lock / "lamp-lit.txt").write_text(str(Locked("lamp", "1.0+lit", "", OLD.hashes)))
    asked: list[str] = []
    with service({}, asked) as url:
        assert audit.main(["--lock", str(lock), "--osv-url", url]) == 0
    assert set(asked) == {"h11 0.16.0", "lamp 1.0"}


def test_an_answer_that_breaks_the_audit_is_not_taken_for_no_answer(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with service({"h11": b"<p>Please log in"}) as url:
        assert audit.main(["--lock", str(lock), "--osv-url", url]) == 1
    told = capsys.readouterr().out
    assert "audit: the audit broke off: " in told and "JSONDecodeError" in told
    assert "NOT AUDITED" not in told


def test_a_service_that_falls_silent_is_not_taken_for_one_that_is_not_there(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its first answer, to the probe, shows that this machine reaches it."""
    with service({"lamp": HANGS_UP}) as url:
        assert audit.main(["--lock", str(lock), "--osv-url", url]) == 1
    told = capsys.readouterr().out
    assert "audit: the audit broke off: " in told and "NOT AUDITED" not in told


@pytest.mark.parametrize("first", [HANGS_UP, b"<p>Please log in"])
def test_the_next_service_is_asked_where_one_falls_silent_or_answers_nonsense(lock: Path, first: bytes) -> None:
    with service({"lamp": first}) as silent, service({"lamp": {"vulns": [ADVISORY]}}) as whole:
        report = audit.audit(read(folder=lock), [("-s", "osv", "--osv-url", url) for url in (silent, whole)])
    assert report is not None and report.audited == 2


def test_a_question_that_takes_too_long_reached_nobody() -> None:
    with service({}) as url, pytest.raises(audit.NoReport, match="no answer within 0 s") as told:
        audit.ask([OLD], ("-s", "osv", "--osv-url", url), 0.01)
    assert not told.value.reached


def test_a_slow_start_is_not_taken_for_no_answer() -> None:
    """On a machine that is busy an interpreter starts in seconds, which are not the network's."""
    assert audit._PROBE_S - audit._REACH_S >= 20


@pytest.mark.parametrize(
    ("line", "unreached"),
    [
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev', port=443)", True),
        ("requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='api.osv.dev', port=443): Read timed out.", True),
        ("requests.exceptions.ProxyError: HTTPSConnectionPool(host='api.osv.dev', port=443)", True),
        ("ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service", True),
        ("requests.exceptions.SSLError: HTTPSConnectionPool(host='api.osv.dev', port=443)", False),
        ("pip_audit._service.interface.ServiceError", False),
        ("ERROR:pip_audit._cli:requirement h11 is not pinned", False),
        ("/usr/bin/python: No module named pip_audit", False),
        ("KeyError: 'a requests.exceptions.ConnectionError'", False),
    ],
)
def test_only_what_reached_nobody_is_taken_for_no_service(line: str, unreached: bool) -> None:
    assert bool(audit._UNREACHED.match(line)) == unreached


def test_an_old_excuse_fails_the_audit(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lock / "excused.toml").write_text(excuse(noted=date(2026, 1, 1)))
    assert audit.main(["--lock", str(lock), "--osv-url", "http://127.0.0.1:9/"]) == 1
    assert "ended after 30 days" in capsys.readouterr().out
