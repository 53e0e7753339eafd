"""Who is told what threads compute for a request: whoever asked may be charged for it (api.guard).

The threads of a pool do not inherit it; who hands work to a pool hands this on with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

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
