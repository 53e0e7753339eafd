"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass

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


def state_of(request: Request) -> State:
    state = request.app.state.footnote
    assert isinstance(state, State)
    return state
