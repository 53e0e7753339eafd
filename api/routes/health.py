"""GET /livez, /readyz and /metrics."""

from __future__ import annotations

import anyio
from fastapi import APIRouter, Request, Response

from api.problems import row_of
from api.schemas import Status
from api.state import State, state_of
from index.errors import FootnoteError

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> Status:
    """The process runs. Touches nothing: a slow disk must not get it restarted."""
    return Status(status="ok")


@router.get("/readyz")
async def readyz(request: Request, response: Response) -> Status:
    """An answer can be given now."""
    state = state_of(request)
    if state.stopping:
        response.status_code = 503
        return Status(status="stopping")
    found = await anyio.to_thread.run_sync(_readiness, state)
    response.status_code = 503 if found.status == "not_ready" else 200
    return found


def _readiness(state: State) -> Status:
    try:
        with state.footnote.library.pin() as generation:
            degraded = state.footnote.degraded
            return Status(status="degraded" if degraded else "ok", generation=generation.name, detail=degraded)
    except FootnoteError as error:
        return Status(status="not_ready", detail=row_of(error).title)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return Response(state_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
