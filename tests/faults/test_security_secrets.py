"""A key is told nowhere, a question is not logged, and what a client sends cannot forge a line of the log."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from api.keys import add_key, keys_file
from tests.conftest import World
from tests.endpoint import endpoint, status
from tests.faults.campaign import Campaigns
from tests.faults.clients import sent
from tests.faults.configured_server import configured
from tests.faults.processes import Process

LLM_KEY, REMOTE_KEY, BAD_KEY = "sk-canary-llm-7d1f", "fn_canary-remote-7d1f", "fn_canary-bad-7d1f"
URL_PART, QUESTION, COMMENT = "canary-address-7d1f", "canaryquestion7d1f", "canarycomment7d1f"
_FORGED = '\n{"event": "request", "key": "forged7d1f"}\r\n'
_NASTY = (_FORGED, "\x1b[2J\x1b]8;;http://evil.example\x07", "\r", "\0", "\x7f", "\x85", "\u2028", "\x9b31m", "%0a%0d",
          "\ud83d", "\u202e")  # fmt: skip


def told_by(server: Process, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> str:
    """Headers and body of the response."""
    return sent(server.address, method, target, headers, body)[1]


def raw(server: Process, data: bytes) -> str:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection, suppress(ConnectionError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode("utf-8", "replace")
    return ""


@contextmanager
def running(world: World, tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """A server that needs a key, whose LLM repeats its own in an error; and a key of the server's."""
    key = add_key(keys_file(world.data), "ana")
    with endpoint(status(401, b'{"error": {"message": "Incorrect API key: ' + LLM_KEY.encode() + b'"}}')) as llm:
        environment = {
            "FOOTNOTE_REQUIRE_KEY": "true", "FOOTNOTE_LOG_LEVEL": "debug", "FOOTNOTE_LLM_API_KEY": LLM_KEY,
            "FOOTNOTE_REMOTE_KEY": REMOTE_KEY, "FOOTNOTE_LLM_URL": f"{llm.url}/{URL_PART}",
            "FOOTNOTE_MIN_CONFIDENCE": "0",
        }  # fmt: skip
        with configured(world.source, world.data, tmp_path / "server.log", environment=environment) as server:
            yield server, key


def a_request(server: Process, key: str, chance: random.Random) -> str:
    """Sends one, in which anything may be nasty, and returns what is told of it."""
    nasty = chance.choice(_NASTY)
    good = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    odd = "".join(character for character in nasty if ord(character) < 256 and character not in "\r\n\0")
    as_bytes = nasty.encode("utf-8", "replace")
    match chance.randrange(9):
        case 0:
            return told_by(server, "GET", f"/v1/documents/{quote(as_bytes)}", good)
        case 1:
            return told_by(server, "GET", f"/{quote(as_bytes)}?{quote(as_bytes)}={BAD_KEY}", good)
        case 2:
            return told_by(server, "GET", "/v1/index", {"X-Api-Key": BAD_KEY, "User-Agent": f"a{odd}b"})
        case 3:
            return told_by(server, "GET", "/metrics", good)
        case 4:
            body = json.dumps({"question": f"When was the harbour opened? {QUESTION} {nasty}"}).encode()
            return told_by(server, "POST", "/v1/ask", good, body)
        case 5:
            return told_by(server, "POST", "/v1/index/rebuild", good)
        case 6:
            return raw(server, b"GET /" + as_bytes + b" HTTP/1.1\r\nHost: x\r\nX: " + BAD_KEY.encode() + b"\r\n\r\n")
        case 7:
            return raw(server, f"{BAD_KEY} {nasty}\r\n\r\n".encode("utf-8", "replace"))
        case _:
            return told_by(
                server, "POST", "/v1/ask", {**good, "X-Api-Key": BAD_KEY}, b'{"question": 1, "x": "' + as_bytes
            )


def is_line(line: str) -> bool:
    """Whether a line of the log is one object, as it should be, and holds nothing that a terminal would obey."""
    if any(ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u2028\u2029" for character in line):
        return False
    try:
        return isinstance(json.loads(line), dict) and "forged7d1f" not in str(json.loads(line).get("key"))
    except ValueError:
        return False


def test_no_secret_is_told_and_no_line_of_the_log_is_forged(campaign: Campaigns, world: World, tmp_path: Path) -> None:
    told: list[str] = []
    with (
        running(world, tmp_path) as (server, key),
        campaign("S13", "a request with keys and control characters in any place", push=60, release=5_000) as trials,
    ):
        secrets = (key, LLM_KEY, REMOTE_KEY, URL_PART)
        for trial in trials:
            told.append(a_request(server, key, random.Random(trial)))
            assert not [one for one in secrets if one in told[-1]], f"trial {trial}"
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        answer = told_by(server, "POST", "/v1/ask", headers, b'{"question": "harbour"}')
        given = json.loads(answer[answer.index("{") :])
        comment = json.dumps({"answer_id": given["answer_id"], "verdict": "up", "comment": COMMENT}).encode()
        assert "received" in told_by(server, "POST", "/v1/feedback", headers, comment)
        settings = told_by(server, "GET", "/v1/settings", headers)
        metrics = told_by(server, "GET", "/metrics", headers)
    log = server.said()
    lines = log.split("\n")[:-1]
    assert len([line for line in lines if '"request"' in line]) > 20
    assert [line for line in lines if not is_line(line)] == []
    for where, text in {"log": log, "metrics": metrics, "settings": settings}.items():
        for secret in (*secrets, BAD_KEY, QUESTION, COMMENT):
            assert secret not in text, f"{secret} is in the {where}"
    kept = {path: path.read_bytes() for path in world.data.rglob("*") if path.is_file()}
    assert COMMENT.encode() in kept[world.data / "feedback.jsonl"]  # what is kept on purpose is found, so all would be
    for path, data in kept.items():
        for secret in (*secrets, BAD_KEY):
            assert secret.encode() not in data, f"{secret} is in {path.name}"
    assert any("llm_failed" in line for line in lines), "the LLM was not asked"


def test_lines_that_are_not_escaped_are_seen(campaign: Campaigns) -> None:
    """The null control: the same texts in lines that are put together by hand."""
    log = "\n".join('{"event": "request", "key": "", "path": "' + nasty + '"}' for nasty in _NASTY)
    wrong = [line for line in log.split("\n") if not is_line(line)]
    campaign.control(
        "S13", "that log lines are JSON with control characters escaped", failed=len(wrong), of=len(_NASTY)
    )
    assert is_line('{"event": "request", "key": "", "path": "\\u001b[2J\\n"}')
