"""Admission: model work runs on a thread a core, a bounded number of requests waits, the rest is refused early.

Whoever asked is charged for what the threads compute: see index.computing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.to_thread

from api.problems import Overloaded
from index.computing import charged

T = TypeVar("T")


class Gate:
    """A limiter of its own for model work; AnyIO's default pool is left for files and sockets."""

    def __init__(self, max_waiting: int, idle: int = 0) -> None:
        """``idle`` threads more than cores, for questions that mostly wait for an LLM."""
        self._limiter = anyio.CapacityLimiter(len(os.sched_getaffinity(0)) + idle)
        self._max_waiting = max_waiting

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Raises Overloaded when too many wait already."""
        if self._limiter.statistics().tasks_waiting >= self._max_waiting:
            raise Overloaded("The server is busy.", remedy="Try again in a moment.")
        yield

    async def run(self, work: Callable[[], T]) -> T:
        """``work()`` on a thread, when one is free."""
        async with self.admitted():
            return await anyio.to_thread.run_sync(charged, work, limiter=self._limiter)

    async def iterate(self, items: Iterator[T]) -> AsyncIterator[T]:
        """The items of a blocking iterator, each made on a thread. The thread is given back between two items."""
        end = object()
        while True:
            item = await anyio.to_thread.run_sync(charged, lambda: next(items, end), limiter=self._limiter)
            if item is end:
                return
            yield item  # type: ignore[misc] # anything but ``end`` is a T
