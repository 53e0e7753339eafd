"""What is computed for one request: on which threads, and who is told how much it was.

Whoever asked may be charged for it (api.guard). The threads of a pool do not inherit whom to tell, so that what is
split up is split up here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import cache, partial
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

payer: ContextVar[Callable[[float], None] | None] = ContextVar("payer", default=None)
"""Is told seconds of computing, on whatever thread. Waiting costs nothing."""


def charged(work: Callable[[], T]) -> T:
    """``work()``, and what this thread computed meanwhile is told to whoever pays."""
    pay = payer.get()
    if pay is None:
        return work()
    began = time.thread_time()
    try:
        return work()
    finally:
        pay(time.thread_time() - began)


def side_by_side(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """``work`` of each item, in their order: of the first on this thread, of the others on the cores that are free.

    For models, which leave Python's lock while they compute. Nothing that ``work`` does may come here again."""
    if not items:
        return []
    others = [_pool().submit(copy_context().run, charged, partial(work, item)) for item in items[1:]]
    return [work(items[0]), *(other.result() for other in others)]


@cache
def _pool() -> ThreadPoolExecutor:
    """One for all requests, so that they share the cores."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="model")
