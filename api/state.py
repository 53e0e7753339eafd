"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from fastapi import Request

from api.compose import Footnote
from api.gate import Gate
from api.metrics import Metrics


@dataclass(slots=True)
class State:
    footnote: Footnote
    gate: Gate
    metrics: Metrics
    stopping: bool = False
    answering: set[anyio.Event] = field(default_factory=set)  # one a request under way; setting it ends the request


def state_of(request: Request) -> State:
    state = request.app.state.footnote
    assert isinstance(state, State)
    return state
