"""A circuit breaker: an endpoint that keeps failing is left alone for a while, and questions do not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence

from rag.errors import LlmError
from rag.llm import LLM
from rag.types import Turn

_FAILURES = 5  # one after the other, until it opens
_PAUSE_S = 30.0  # until one request may try again

_BLAMELESS = frozenset({"llm_too_long", "llm_filtered"})
"""What is no sign of an endpoint in trouble."""


class Guarded:
    """An LLM behind a breaker. After _FAILURES failures in a row each request fails at once with llm_breaker_open;
    after _PAUSE_S one is let through, and what comes of it closes the breaker or opens it for as long again."""

    def __init__(
        self,
        llm: LLM,
        *,
        on_failure: Callable[[LlmError], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._llm = llm
        self._on_failure = on_failure
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._try_again_at = 0.0
        self._trying = False
        self.fingerprint = llm.fingerprint

    def stream(self, messages: Sequence[Turn], *, max_tokens: int, timeout_s: float) -> Generator[str, None, None]:
        trial = self._enter()
        try:
            yield from self._llm.stream(messages, max_tokens=max_tokens, timeout_s=timeout_s)
        except LlmError as error:
            self._on_failure(error)
            self._leave(failed=error.code not in _BLAMELESS)
            raise
        except GeneratorExit:  # the caller has what it wanted, or its client went away: neither good nor bad
            if trial:
                with self._lock:
                    self._trying = False
            raise
        self._leave(failed=False)

    def _enter(self) -> bool:
        """Whether this is the request that tries a breaker that is open. Raises LlmError where it is not to be made."""
        with self._lock:
            if self._failures < _FAILURES:
                return False
            if self._trying or self._clock() < self._try_again_at:
                raise LlmError("llm_breaker_open")
            self._trying = True
            return True

    def _leave(self, *, failed: bool) -> None:
        with self._lock:
            self._trying = False
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= _FAILURES:
                self._try_again_at = self._clock() + _PAUSE_S
