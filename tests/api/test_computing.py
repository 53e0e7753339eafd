"""A key has so much computing a minute; tests/faults/test_security_budget.py has more of it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from api.compose import Footnote
from api.guard import Computing
from api.keys import add_key, keys_file
from api.settings import Settings
from rag.types import Event, Question
from tests.api.conftest import Live, assert_problem
from tests.conftest import World

OPENED = {"question": "When was the harbour opened?"}


class Dear(Footnote):
    """Takes so much computing before it answers, or merely time."""

    computing_s, waiting_s = 0.03, 0.0

    def ask(self, question: Question) -> Iterator[Event]:
        time.sleep(self.waiting_s)
        until = time.thread_time() + self.computing_s
        while time.thread_time() < until:
            pass
        yield from super().ask(question)


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_has_used_up_its_computing_has_to_wait(world: World, live: Live, stream: bool) -> None:
    settings = Settings(
        source=world.source, data=world.data, encoder=world.encoder.name, reader=False, require_key=True,
        compute_s_per_minute=0.05,
    )  # fmt: skip
    ana, ben = (add_key(keys_file(world.data), name) for name in ("ana", "ben"))
    url = live(Dear(settings, encoder=lambda: world.encoder, in_child=False))

    def ask(key: str) -> httpx2.Response:
        return httpx2.post(f"{url}/v1/ask", json={**OPENED, "stream": stream}, headers={"X-Api-Key": key}, timeout=30)

    assert [ask(ana).status_code for _ in range(2)] == [200, 200]
    response = ask(ana)
    assert_problem(response, 429, "Too much computing")
    assert 30 < int(response.headers["retry-after"]) <= 60
    assert ask(ben).status_code == 200  # another's budget is another's


def test_threads_may_spend_at_once() -> None:
    at_once = threading.Barrier(8)
    each = [Computing(8 * 0.002 + 1e-4) for _ in range(200)]

    def spend(_: int) -> None:
        for computing in each:
            at_once.wait(20)
            computing.spend("key ana", 0.002)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(spend, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert not any(computing.wait_s("key ana") for computing in each)  # no more was counted
    for computing in each:
        computing.spend("key ana", 2e-4)
    assert all(computing.wait_s("key ana") for computing in each)  # and no less


def test_a_minute_is_a_minute_whatever_the_clock_on_the_wall_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    computing = Computing(1)
    computing.spend("key ana", 2)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert computing.wait_s("key ana") == 60
    now += 59.5
    assert computing.wait_s("key ana") == 1
    now += 1
    assert computing.wait_s("key ana") == 0
    computing.spend("key ana", 0.5)
    assert computing.wait_s("key ana") == 0


def test_who_asked_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.guard._MANY", 10)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    computing = Computing(1)
    for number in range(100):
        computing.spend(f"address {number}", 2)
        now += 10
    assert len(computing._spent) <= 11
    assert computing.wait_s("address 99") > 0


def test_waiting_is_not_computing(world: World, live: Live) -> None:
    settings = Settings(
        source=world.source, data=world.data, encoder=world.encoder.name, reader=False, compute_s_per_minute=0.5
    )
    dear = Dear(settings, encoder=lambda: world.encoder, in_child=False)
    dear.computing_s, dear.waiting_s = 0.0, 0.3
    url = live(dear)
    assert [httpx2.post(f"{url}/v1/ask", json=OPENED, timeout=30).status_code for _ in range(4)] == [200] * 4
