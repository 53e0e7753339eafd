from __future__ import annotations

from contextlib import suppress

import pytest

from rag.breaker import Guarded
from rag.errors import LlmError
from rag.llm import reply
from rag.types import Fallback
from tests.fakes import FakeLLM

ERROR = LlmError("llm_error", "status 500")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def ask(llm: Guarded) -> str:
    """The reply, or the code of the error."""
    try:
        return reply(llm, (), max_tokens=1, timeout_s=1.0)
    except LlmError as error:
        return error.code


def test_after_five_failures_in_a_row_nobody_is_asked() -> None:
    fake = FakeLLM(*[ERROR] * 5)
    llm = Guarded(fake)
    assert [ask(llm) for _ in range(8)] == ["llm_error"] * 5 + ["llm_breaker_open"] * 3
    assert len(fake.asked) == 5


def test_a_reply_in_between_starts_the_count_anew() -> None:
    llm = Guarded(FakeLLM(*[ERROR] * 4, "yes", *[ERROR] * 4, "yes"))
    assert [ask(llm) for _ in range(10)].count("llm_breaker_open") == 0


def test_after_a_pause_one_request_tries_and_closes_it() -> None:
    clock = Clock()
    llm = Guarded(FakeLLM(*[ERROR] * 5, "yes", "again"), clock=clock)
    for _ in range(5):
        ask(llm)
    clock.now += 29
    assert ask(llm) == "llm_breaker_open"
    clock.now += 2
    assert [ask(llm), ask(llm)] == ["yes", "again"]


def test_a_trial_that_fails_opens_it_for_as_long_again() -> None:
    clock = Clock()
    llm = Guarded(FakeLLM(*[ERROR] * 6, "yes"), clock=clock)
    for _ in range(5):
        ask(llm)
    clock.now += 31
    assert [ask(llm), ask(llm)] == ["llm_error", "llm_breaker_open"]
    clock.now += 31
    assert ask(llm) == "yes"


def test_while_one_tries_the_others_do_not() -> None:
    clock = Clock()
    llm = Guarded(FakeLLM(*[ERROR] * 5, "a long reply", "yes"), clock=clock)
    for _ in range(5):
        ask(llm)
    clock.now += 31
    trying = llm.stream((), max_tokens=1, timeout_s=1.0)
    next(trying)
    assert ask(llm) == "llm_breaker_open"
    trying.close()  # its client went away: the next one tries
    assert ask(llm) == "yes"


@pytest.mark.parametrize("code", ["llm_too_long", "llm_filtered"])
def test_a_reply_that_reached_its_limit_or_was_kept_back_is_no_failure(code: Fallback) -> None:
    llm = Guarded(FakeLLM(*[("some", LlmError(code))] * 6, "yes"))
    assert [ask(llm) for _ in range(7)] == [code] * 6 + ["yes"]


def test_each_failure_is_told() -> None:
    told: list[str] = []
    llm = Guarded(FakeLLM(ERROR, "yes"), on_failure=lambda error: told.append(error.detail))
    with suppress(LlmError):
        reply(llm, (), max_tokens=1, timeout_s=1.0)
    ask(llm)
    assert told == ["status 500"]


def test_a_code_that_no_answer_can_have_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        LlmError("llm_whatever")
