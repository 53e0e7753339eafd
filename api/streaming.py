"""How a stream of events leaves the server: through the gate, ending in order, and letting go when its reader has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import anyio
import structlog

from api.problems import problem_of, unforeseen
from api.state import State
from index.errors import FootnoteError
from rag.types import Done, Event, PassagesFound, Question

_log = structlog.get_logger()


async def begin(state: State, question: Question) -> tuple[PassagesFound, Iterator[Event]]:
    """The first event and those to come. It is made before a response starts, so that what is wrong from the outset
    is a plain problem."""
    events = state.footnote.ask(question)
    first = await state.gate.run(lambda: next(events))
    assert isinstance(first, PassagesFound)
    return first, events


async def relay(
    state: State,
    first: PassagesFound,
    events: Iterator[Event],
    *,
    shown: Callable[[Event], Iterable[bytes]],
    failed: Callable[[dict[str, Any]], Iterable[bytes]],
    path: str,
) -> AsyncIterator[bytes]:
    """Every event as ``shown``; a failure on the way as ``failed`` shows its problem, which is then the last."""
    try:
        for piece in shown(first):
            yield piece
        async for event in state.gate.iterate(events):
            if isinstance(event, Done):
                state.metrics.answered(event.answer)
            for piece in shown(event):
                yield piece
    except FootnoteError as error:
        _log.warning("stream_failed", error=type(error).__name__, reason=str(error))
        for piece in failed(problem_of(error, path)):
            yield piece
    except Exception as error:  # noqa: BLE001 - the response has begun: only an event can tell the client
        _log.error("stream_failed", error=type(error).__name__, exc_info=error)
        for piece in failed(unforeseen(path)):
            yield piece
    finally:
        # Also when the client has gone: the generation is let go at once. Nothing else runs the iterator now.
        with anyio.CancelScope(shield=True):
            events.close()  # type: ignore[attr-defined] # a generator
