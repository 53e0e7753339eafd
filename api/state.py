"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from fastapi import Request

from api.compose import Footnote
from api.gate import Gate
from api.metrics import Metrics
from api.suggesting import Suggester


@dataclass(slots=True)
class State:
    footnote: Footnote
    gate: Gate
    metrics: Metrics
    stopping: bool = False
    answering: set[anyio.Event] = field(default_factory=set)  # one a request under way; setting it ends the request
    suggester: Suggester = field(init=False)

    def __post_init__(self) -> None:
        self.suggester = Suggester(self.footnote)


def state_of(request: Request) -> State:
    state = request.app.state.footnote
    assert isinstance(state, State)
    return state
