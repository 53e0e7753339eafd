"""Work that is split up comes back whole, and whoever pays is told of all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from index.computing import charged, payer, side_by_side


@pytest.fixture
def spent() -> Iterator[list[float]]:
    told: list[float] = []
    before = payer.set(told.append)
    yield told
    payer.reset(before)


def burn(seconds: float) -> float:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return seconds


def test_results_come_in_the_order_of_what_was_given() -> None:
    assert side_by_side(lambda n: n * n, range(50)) == [n * n for n in range(50)]
    assert side_by_side(burn, []) == []


def test_several_threads_take_part() -> None:
    together = threading.Barrier(2)
    assert side_by_side(lambda _: together.wait(20), [0, 0]) != []  # each waits for the other


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_what_one_raises_is_raised(failing: int) -> None:
    def work(n: int) -> int:
        if n == failing:
            raise ValueError("this one")
        return n

    with pytest.raises(ValueError, match="this one"):
        side_by_side(work, range(4))


def test_whoever_pays_is_told_of_every_thread(spent: list[float]) -> None:
    charged(lambda: side_by_side(burn, [0.02, 0.02, 0.02]))
    assert len(spent) == 3
    assert sum(spent) > 0.05


def test_waiting_for_others_costs_nothing(spent: list[float]) -> None:
    charged(lambda: side_by_side(lambda seconds: time.sleep(seconds), [0.0, 0.2]))
    assert sum(spent) < 0.1


def test_without_anyone_who_pays_nobody_is_told() -> None:
    assert payer.get() is None
    assert charged(lambda: side_by_side(burn, [0.001, 0.001])) == [0.001, 0.001]
