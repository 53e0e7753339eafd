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


def test_what_a_service_does_not_know_is_not_called_audited() -> None:
    dependencies = [
        {"name": "h11", "version": "0.14.0", "vulns": [
            {"id": FOUND.id, "fix_versions": ["0.16.0"], "aliases": list(FOUND.aliases), "description": ""}]},
        {"name": "rich", "version": "15.0.0", "vulns": []},
        {"name": "lamp", "skip_reason": "Dependency not found"},
    ]  # fmt: skip
    report = audit.parse_report(json.dumps({"dependencies": dependencies, "fixes": []}))
    assert (report.audited, report.unknown, [found.id for found in report.findings]) == (2, ("lamp",), [FOUND.id])


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


@contextmanager
def service(advisories: Mapping[str, Any]) -> Iterator[str]:
    """Answers as OSV does: the advisories for the package that is asked about."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(advisories.get(asked["package"]["name"], {})).encode()
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


def test_an_old_excuse_fails_the_audit(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lock / "excused.toml").write_text(excuse(noted=date(2026, 1, 1)))
    assert audit.main(["--lock", str(lock), "--osv-url", "http://127.0.0.1:9/"]) == 1
    assert "ended after 30 days" in capsys.readouterr().out
