"""How much, how deep, how often and how long: what goes beyond a bound is refused, whoever asks and however."""

from __future__ import annotations

import asyncio
import json
import random
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import create_app
from api.bounds import MAX_BODY_BYTES, Bounded
from api.compose import Footnote
from api.guard import Guard
from api.settings import Settings
from rag.types import Event, PassagesFound, Question
from tests.conftest import World, serve
from tests.faults.campaign import Campaigns
from tests.faults.configured_server import configured
from tests.faults.processes import Process

pytestmark = pytest.mark.usefixtures("quiet")

JSON = {"Content-Type": "application/json"}
OPENED = {"question": "When was the harbour opened?"}


async def _ok(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads what it is given."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def asked(app: ASGIApp, chunks: list[bytes], headers: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Status, and how many bytes of the body the application took in."""
    taken, statuses, left = 0, [], iter(chunks)

    async def receive() -> Message:
        nonlocal taken
        chunk = next(left, None)
        if chunk is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        taken += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/v1/ask", "raw_path": b"/v1/ask", "query_string": b"",
             "headers": headers, "client": ("127.0.0.1", 1)}  # fmt: skip
    anyio.run(app, scope, receive, send)
    return statuses[0], taken


# -- how large ---------------------------------------------------------------------------------------------------------


def sizes(chance: random.Random) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """A body somewhere about the bound, in pieces, with or without a length, which may be a lie."""
    size = chance.choice([0, 1, MAX_BODY_BYTES - 1, MAX_BODY_BYTES, MAX_BODY_BYTES + 1, 5 * MAX_BODY_BYTES,
                          chance.randrange(3 * MAX_BODY_BYTES)])  # fmt: skip
    piece = chance.choice([1 << 12, 1 << 16, MAX_BODY_BYTES, chance.randrange(1_000, 1 << 17)])
    chunks = [b" " * min(piece, size - at) for at in range(0, size, piece)]
    told = chance.choice([size, size, 0, size // 2, 2 * size + 1, None])
    if told is None:
        return chunks, [(b"transfer-encoding", b"chunked")]
    return chunks, [(b"content-length", str(told).encode())]


def beyond(app: ASGIApp, trial: int) -> str:
    """What is wrong with how ``app`` takes the body of a trial; "" when nothing is."""
    chunks, headers = sizes(random.Random(trial))
    size, longest = sum(map(len, chunks)), max(map(len, chunks), default=0)
    told = int(dict(headers).get(b"content-length", b"0"))
    status, taken = asked(app, chunks, headers)
    if told > MAX_BODY_BYTES:
        return "" if (status, taken) == (413, 0) else f"{told} were announced: {status}, {taken} read"
    if dict(headers).get(b"content-length") == b"0":
        return "" if taken <= size else f"{taken} read"  # the server itself ends such a body at once
    if size > MAX_BODY_BYTES:
        fine = status == 413 and taken <= MAX_BODY_BYTES + longest  # the piece that went over it
        return "" if fine else f"{size} came: {status}, {taken} read"
    return "" if (status, taken) == (200, size) else f"{size} came: {status}, {taken} read"


def test_a_body_is_read_as_far_as_the_bound(campaign: Campaigns) -> None:
    with campaign(
        "S4", "a body about the bound, in pieces, its length told, untold or a lie", push=60, release=5_000
    ) as trials:
        for trial in trials:
            assert beyond(Bounded(_ok), trial) == "", f"trial {trial}"
    failed = sum(bool(beyond(_ok, trial)) for trial in range(30))
    campaign.control("S4", "the bound", failed=failed, of=30)


def pour(server: Process, size: int, chunked: bool) -> int:
    """Sends ``size`` bytes of body, as long as they are taken, and returns the status; 0 where none could be read."""
    how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
        suppress(ConnectionError),
    ):
        connection.sendall(
            b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + how + b"\r\n\r\n"
        )
        piece = b" " * 65_536
        with suppress(ConnectionError):
            for _ in range(size // len(piece)):
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                if select.select([connection], [], [], 0)[0]:
                    break  # it has answered
        return int(connection.recv(65_536).split()[1])
    return 0  # cut off while it was still sending


def test_bodies_that_are_too_large_cost_no_memory(campaign: Campaigns, world: World, tmp_path: Path) -> None:
    with (
        configured(world.source, world.data, tmp_path / "log") as server,
        campaign("S4", "20 MB poured into a server", push=4, release=500) as trials,
    ):
        for _ in range(3):  # what a first refusal loads
            pour(server, 2 * MAX_BODY_BYTES, chunked=True)
        before, said = server.memory_kib(), Counter[int]()
        for trial in trials:
            said[pour(server, 20_000_000, chunked=trial % 2 == 0)] += 1
            assert set(said) <= {0, 413}, f"trial {trial}: {said}"
        grown = server.memory_kib() - before
        trials.note("KiB more", grown)
        trials.note("told 413", said[413])
        assert said[413]  # the others were cut off while they were still sending
        if trials.plan.share_s is not None:  # after a few, what a server has is as much as it needs once
            assert grown <= 5_000
        assert httpx2.get(f"{server.url}/livez").status_code == 200
        assert server.running.poll() is None


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(create_app(world.footnote), raise_server_exceptions=False) as made:
        yield made


def outside(chance: random.Random) -> tuple[str, Any]:
    """A body of which one value lies outside its bound; depth and size of the whole are within or beyond theirs."""
    many = chance.choice([51, 1_001, 10**6, 10**30, 2**63, -1, 0, 1.5, float("nan"), float("inf"), "9" * 400, [], {}])
    long = "x" * chance.choice([8_001, 50_000])
    chat = {"model": "footnote", "messages": [{"role": "user", "content": "harbour"}]}
    deep: Any = 0
    for level in range(chance.choice([33, 100, 5_000])):
        deep = [deep] if level % 2 else {"a": deep}
    return chance.choice([
        ("/v1/ask", {**OPENED, "k": many}), ("/v1/ask", {**OPENED, "sentences": many}), ("/v1/ask", {"question": long}),
        ("/v1/search", {"query": "harbour", "k": many}), ("/v1/search", {"query": long}),
        ("/v1/search", {"query": "harbour", "max_tokens": chance.choice([0, -1, 10**7, 10**30, "x"])}),
        ("/v1/ask", {**OPENED, "messages": [{"role": "user", "content": "x"}] * chance.choice([101, 5_000])}),
        ("/v1/ask", {**OPENED, "documents": ["x"] * 1_001}), ("/v1/ask", {**OPENED, "documents": ["x" * 4_097]}),
        ("/v1/ask", {**OPENED, "x": deep}), ("/v1/chat/completions", {**chat, "n": chance.choice([2, 128, 10**30])}),
        ("/v1/chat/completions", {**chat, "footnote": {"k": many}}),
        ("/v1/chat/completions", {**chat, "messages": [{"role": "user", "content": "x"}] * 1_001}),
        ("/v1/feedback", {"answer_id": "x" * 65, "verdict": "up"}),
        ("/v1/feedback", {"answer_id": "x", "verdict": "up", "comment": "x" * 4_001}),
        ("/v1/index/rollback", {"generation": "0" * 33}),
    ])  # fmt: skip


def test_a_value_outside_its_bound_is_refused_and_breaks_nothing(campaign: Campaigns, client: TestClient) -> None:
    with campaign(
        "S5", "a value outside its bound: depth, numbers, lengths, lists", push=120, release=20_000
    ) as trials:
        for trial in trials:
            path, body = outside(random.Random(trial))
            response = client.post(path, content=_dumped(body), headers=JSON)
            assert response.status_code in (400, 422), (
                f"trial {trial}: {path}, {str(body)[:200]}: {response.status_code}"
            )


def test_the_same_values_without_their_bounds_would_break_it(campaign: Campaigns, world: World) -> None:
    """The null control: values of k, and depths, where nothing is asked before they are used."""
    numbers: list[Any] = [10**30, 2**63, -1, 1.5, float("nan"), "9" * 400, []]
    failed = 0
    for number in numbers:
        try:
            failed += len(world.footnote.search("harbour", number)[1]) not in range(1, 51)
        except Exception:  # noqa: BLE001 - whatever it is that comes of it
            failed += 1
    try:
        json.loads("[" * 100_000 + "]" * 100_000)
    except RecursionError:
        failed += 1
    campaign.control("S5", "the schema, and the bound on depth", failed=failed, of=len(numbers) + 1)


def _dumped(body: Any) -> str:
    """As json.dumps, which does not go as deep."""
    depth, inner = 0, body.get("x", 0)
    if not isinstance(inner, list | dict):
        return json.dumps(body)
    opened: list[str] = []
    while isinstance(inner, list | dict):
        opened.append("[" if isinstance(inner, list) else '{"a":')
        inner = inner[0] if isinstance(inner, list) else inner["a"]
        depth += 1
    closed = "".join("]" if one == "[" else "}" for one in reversed(opened))
    rest = json.dumps({name: value for name, value in body.items() if name != "x"})
    return f'{rest[:-1]}, "x": {"".join(opened)}0{closed}}}'


# -- how often ---------------------------------------------------------------------------------------------------------


def spoofed(chance: random.Random) -> list[tuple[bytes, bytes]]:
    """Headers that say that somebody else asks."""
    other = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
    names = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Originating-IP")
    made = dict.fromkeys(chance.sample(names, 3), other) | {"Forwarded": f"for={other}", "Host": "localhost"}
    made["X-Api-Key"] = f"sk-{chance.randrange(10**6)}"
    made["Via"] = f"1.1 {other}"
    return [(name.lower().encode(), value.encode()) for name, value in made.items()]


def let_through(app: ASGIApp, seconds: float, chance: random.Random) -> list[tuple[float, float]]:
    """When each request that was let through had been sent and was let through; many are sent, in bursts by chance."""
    passed: list[tuple[float, float]] = []

    async def burst() -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for _ in range(chance.randrange(1, 60)):
                sent_at = time.monotonic()
                if await _status(app, spoofed(chance)) == 200:
                    passed.append((sent_at, time.monotonic()))
            await asyncio.sleep(chance.uniform(0, 0.05))

    asyncio.run(burst())
    return passed


async def _status(app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> int:
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "GET", "path": "/v1/index", "raw_path": b"/v1/index", "query_string": b"",
             "headers": headers, "client": ("192.0.2.7", 4711)}  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]


def over(passed: list[tuple[float, float]], limit: int, window_s: float) -> int:
    """How many more than ``limit`` were let through in any stretch of ``window_s``."""
    return sum(passed[n + limit][1] - passed[n][0] < window_s for n in range(len(passed) - limit))


def test_whoever_one_says_one_is_the_rate_is_kept(campaign: Campaigns, tmp_path: Path) -> None:
    limit = 20
    settings = Settings(data=tmp_path / "data", rate_limit=f"{limit}/second", max_concurrent_per_key=0)
    total = 0
    with campaign("S6", "seconds of bursts under other names, against 20 a second", push=2, release=60) as trials:
        for trial in trials:
            passed = let_through(
                Guard(_ok, settings), 1.2 if trials.plan.share_s is None else 10.0, random.Random(trial)
            )
            assert len(passed) >= limit, f"trial {trial}"  # the limit was reached
            assert over(passed, limit, 1.0) == 0, f"trial {trial}"
            total += len(passed)
        trials.note("let through", total)
        trials.note("over the limit", 0)
    trusting = let_through(Trusting(_ok, settings), 0.5, random.Random(1))
    campaign.control("S6", "that a header does not say who asks", failed=over(trusting, limit, 1.0), of=len(trusting))


class Trusting:
    """A guard before which stands what many proxies' clients have: whoever asks is who a header says."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._guard = Guard(app, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = dict(scope["headers"])[b"forwarded"].decode().removeprefix("for=")
        await self._guard({**scope, "client": (told, 1)}, receive, send)


# -- how long ----------------------------------------------------------------------------------------------------------

DEADLINE_S = 1


class Slow(Footnote):
    """Takes as long as the question says, before the passages or after them."""

    def ask(self, question: Question) -> Iterator[Event]:
        when, _, seconds = question.without[0].partition(" ")
        for event in super().ask(question):
            if when == "before":
                time.sleep(float(seconds))
            yield event
            if when == "after" and isinstance(event, PassagesFound):
                time.sleep(float(seconds))


@pytest.mark.alone
def test_no_request_outlives_its_deadline(campaign: Campaigns, world: World) -> None:
    settings = Settings(
        source=world.source, data=world.data, encoder=world.encoder.name, reader=False, request_timeout_s=DEADLINE_S
    )
    with contextmanager(serve)(Slow(settings, encoder=lambda: world.encoder, in_child=False)) as url:
        _ask_slowly(campaign, url)


def _ask_slowly(campaign: Campaigns, url: str) -> None:
    def ask(trial: int) -> tuple[float, bool]:
        """How long it took, and whether it ended as it should."""
        chance = random.Random(trial)
        when, seconds = chance.choice(["before", "after"]), chance.choice([0.0, 0.3, 1.5, 2.0])
        body = {**OPENED, "without": [f"{when} {seconds}"], "stream": chance.random() < 0.5}
        began = time.monotonic()
        response = httpx2.post(f"{url}/v1/ask", json=body, timeout=60)
        took = time.monotonic() - began
        late = "The request took too long" in response.text
        return took, response.status_code in (200, 503) and (late or seconds < 1)

    longest = 0.0
    with (
        ThreadPoolExecutor(4) as pool,
        campaign("S7", "a question that takes its time, four at once", push=3, release=1_000) as trials,
    ):
        for trial in trials:
            for took, fine in pool.map(ask, range(trial * 4, trial * 4 + 4)):
                longest = max(longest, took)
                assert fine, f"trial {trial}"
                assert took < 20, f"trial {trial}: it hung"
                assert trials.plan.share_s is None or took < DEADLINE_S + 1, f"trial {trial}: {took:.2f} s"
        trials.note("deadline", f"{DEADLINE_S} s")
        trials.note("longest", f"{longest:.2f} s")
