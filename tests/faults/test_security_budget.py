"""A key has so much computing a minute. What it asks beyond is refused, however many it asks for at a time."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.gate import Gate
from api.guard import Guard
from api.settings import Settings
from index.computing import payer
from tests.faults.campaign import Campaigns

pytestmark = pytest.mark.usefixtures("quiet")
_BUDGET_S = 0.1
_MOST_S = 0.02  # one request computes
_AT_ONCE = 4


@dataclass
class Burning:
    """An application each of whose requests computes for a while, on the gate's threads, and adds it up."""

    chance: random.Random
    gate: Gate = field(default_factory=lambda: Gate(max_waiting=1_000, idle=_AT_ONCE))
    computed_s: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = self.chance.uniform(0, _MOST_S)
        await self.gate.run(lambda: self._burn(seconds))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def _burn(self, seconds: float) -> None:
        began = time.thread_time()
        while time.thread_time() - began < seconds:
            pass
        self.computed_s += time.thread_time() - began


class Uncharged:
    """An application of which nobody is told what it computes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        payer.set(None)
        await self._app(scope, receive, send)


async def _ask_until_refused(guard: ASGIApp, most: int) -> None:
    """So many at a time, each again and again until it is refused; ``most`` of each at most."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def one() -> None:
        statuses: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        while len(statuses) < most and 429 not in statuses:
            scope = {"type": "http", "method": "GET", "path": "/v1/index", "headers": [], "client": ("192.0.2.7", 1)}
            await guard({**scope, "raw_path": b"/v1/index", "query_string": b""}, receive, send)

    async with anyio.create_task_group() as tasks:
        for _ in range(_AT_ONCE):
            tasks.start_soon(one)


def test_nobody_computes_for_more_than_a_budget(campaign: Campaigns, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", require_key=False, compute_s_per_minute=_BUDGET_S)
    over, most = 0.0, _BUDGET_S + _AT_ONCE * (_MOST_S + 0.005)  # what was begun with the last of it is finished
    with campaign("S7", "more computing than a key may do, four at once", push=3, release=1_000) as trials:
        for trial in trials:
            burning = Burning(random.Random(trial))
            anyio.run(_ask_until_refused, Guard(burning, settings), 1_000)
            assert 0.5 * _BUDGET_S < burning.computed_s < most, f"trial {trial}: {burning.computed_s:.3f} s"
            over = max(over, burning.computed_s - _BUDGET_S)
        trials.note("budget, s", _BUDGET_S)
        trials.note("most over it, s", round(over, 3))
    burning = Burning(random.Random(1))
    anyio.run(_ask_until_refused, Guard(Uncharged(burning), settings), 20)
    campaign.control("S7", "that threads tell what they compute", failed=int(burning.computed_s > most), of=1)
