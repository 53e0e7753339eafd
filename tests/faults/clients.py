"""Clients of a loaded server, over plain sockets: they see what came, whether it was whole, and how long it took."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from tests.faults.servers import QUESTIONS, Town


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``status`` is 0 when no head did."""

    asked: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    seconds: float  # from when it was to be sent
    error: str = ""
    begun: float = 0.0  # by time.monotonic()

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        blocks = [block for block in self.body.decode().split("\n\n") if block]
        lines = [block.split("\n") for block in blocks]
        return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]

    def brief(self) -> str:
        return f"{self.status} {'whole' if self.whole else 'cut'} {self.error} {self.body[-300:]!r}"


def request(path: str, body: dict[str, Any] | None = None) -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: x", "Connection: close"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def sent(address: str, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, str]:
    """Status, and headers with body, of a request whose target goes as it is, without any tidying up."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in {**headers, **({"Content-Length": str(len(body))} if body else {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response.status, str(response.getheaders()) + response.read().decode("utf-8", "replace")
    finally:
        connection.close()


async def exchange(
    port: int, path: str, body: dict[str, Any] | None = None, *, source: str = "127.0.0.1", timeout_s: float = 60,
    due: float | None = None,
) -> Reply:  # fmt: skip
    """One request over a connection of its own. ``due`` is when it was to be sent, if not now."""
    begun = time.monotonic()
    received = bytearray()
    error = ""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            try:
                writer.write(request(path, body))
                while piece := await reader.read(1 << 18):
                    received += piece
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError) as failed:
        error = type(failed).__name__
    took = time.monotonic() - (begun if due is None else due)
    return replace(parsed(body or {}, bytes(received), took, error), begun=begun)


def parsed(asked: dict[str, Any], received: bytes, seconds: float, error: str) -> Reply:
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return Reply(asked, 0, {}, received, False, seconds, error or "no response")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body, whole = _unchunked(rest)
    else:
        body, whole = rest, len(rest) == int(headers.get("content-length", -1))
    return Reply(asked, int(first.split()[1]), headers, body, whole, seconds, error)


def _unchunked(rest: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return bytes(body), False
        if int(size, 16) == 0:
            return bytes(body), True
        piece, rest = rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body += piece
        if len(piece) < int(size, 16):
            return bytes(body), False


@dataclass
class Crowd:
    """Clients that ask, each its next question when the last was answered, on a thread of their own, until the block
    ends; a stop may find them in the middle of anything."""

    port: int
    clients: int
    seconds: float = 0.0  # what a question takes
    timeout_s: float = 60
    replies: list[Reply] = field(default_factory=list)
    probes: list[Reply] = field(default_factory=list)
    probed: str = "/livez"
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(self.timeout_s + 30)
        assert not self._thread.is_alive(), "clients hang"

    def wait_for(self, replies: int) -> None:
        """Return when so many more replies have come."""
        wanted = len(self.replies) + replies
        deadline = time.monotonic() + self.timeout_s
        while len(self.replies) < wanted:
            assert time.monotonic() < deadline, "no more replies come"
            time.sleep(0.01)

    def taken(self) -> list[Reply]:
        """The replies since the last time this was asked."""
        taken, self.replies = self.replies, []
        return taken

    async def _all(self) -> None:
        await asyncio.gather(self._probe(), *(self._ask(number) for number in range(self.clients)))

    async def _ask(self, number: int) -> None:
        turn = number
        while not self._stop.is_set():
            reply = await exchange(self.port, "/v1/ask", question(turn, self.seconds), timeout_s=self.timeout_s)
            self.replies.append(reply)
            turn += 1
            if reply.status == 0:
                await asyncio.sleep(0.02)  # refused: the server has gone

    async def _probe(self) -> None:
        while not self._stop.is_set():
            self.probes.append(await exchange(self.port, self.probed))
            await asyncio.sleep(0.02)


def question(turn: int, seconds: float = 0.0) -> dict[str, Any]:
    """Every third as a stream; some for several sentences."""
    body: dict[str, Any] = {"question": QUESTIONS[turn % len(QUESTIONS)], "stream": turn % 3 == 0}
    if turn % 2:
        body["sentences"] = 4
    return body | ({"without": [f"{seconds} s"]} if seconds else {})


async def open_loop(
    port: int, rate: float, seconds: float, *, takes_s: float, sources: Sequence[str], timeout_s: float
) -> list[Reply]:
    """Questions at a rate, whether or not the ones before were answered, from several addresses."""
    begun = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        body = {**question(number, takes_s), "stream": False}
        source = sources[number % len(sources)]
        tasks.append(asyncio.create_task(exchange(port, "/v1/ask", body, source=source, timeout_s=timeout_s, due=due)))
    return await asyncio.gather(*tasks)


def fault_of(reply: Reply, town: Town) -> str:
    """What is wrong with an answer; "" when it is whole and of one generation from end to end."""
    if reply.status != 200 or not reply.whole:
        return reply.brief()
    if reply.asked.get("stream"):
        events = reply.events()
        (first, found), (last, answer) = events[0], events[-1]
        if (first, last) != ("passages", "done"):
            return f"a stream from {first} to {last}: {answer}"
        named = {found["generation"], answer["generation"], reply.headers["footnote-generation"]}
    else:
        answer = reply.json()
        named = {answer["generation"], reply.headers["footnote-generation"]}
    if len(named) != 1:
        return f"it names generations {named}"
    texts = town.texts[answer["generation"]]
    for one in [*answer["passages"], *answer["citations"]]:
        text = texts.get(one["document_id"])
        said = one.get("cited_text", one.get("text"))
        if text is None or text[one["start_char"] : one["end_char"]] != said:
            return f"{one} is not of generation {answer['generation']}"
    if answer["removed_citations"]:
        return f"{answer['removed_citations']} citations did not match their source"
    return ""


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank; NaN of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
