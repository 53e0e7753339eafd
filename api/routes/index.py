"""GET /v1/index and the ways to change it."""

from __future__ import annotations

from typing import Annotated

import anyio
from fastapi import APIRouter, Body, Request, Response

from api.endings import to_the_end
from api.jobs import Job
from api.routes.ask import GENERATION_HEADER
from api.schemas import IndexStatus, Published, RebuildRequest, RollbackRequest
from api.state import state_of
from index.errors import NotFound

router = APIRouter(prefix="/v1/index", tags=["index"])


@router.get("")
async def status(request: Request, response: Response) -> IndexStatus:
    """The live generation, the running job if any, and whether the source folder has changed since."""
    found = await anyio.to_thread.run_sync(state_of(request).footnote.describe)
    response.headers[GENERATION_HEADER] = found["generation"]
    return IndexStatus(**found)


@router.post("/rebuild", status_code=202)
async def rebuild(request: Request, response: Response, body: Annotated[RebuildRequest | None, Body()] = None) -> Job:
    """Bring the index up to date in the background; while one rebuild runs, a second call gets the same job."""
    job = state_of(request).footnote.jobs.start(confirm_deletions=body is not None and body.confirm_deletions)
    response.headers["Location"] = f"/v1/index/jobs/{job.job_id}"
    return job


@router.get("/jobs/{job_id}")
async def job(request: Request, job_id: str) -> Job:
    """How far a rebuild is, and its report when it is done."""
    found = state_of(request).footnote.jobs.get(job_id)
    if found is None:
        raise NotFound(f"There is no job {job_id!r}.", remedy="Start one: POST /v1/index/rebuild.")
    return found


@router.post("/rollback")
async def rollback(request: Request, body: Annotated[RollbackRequest | None, Body()] = None) -> Published:
    """Serve the previous generation again, or the one named."""
    name = (body.generation or "") if body else ""
    return Published(generation=await to_the_end(state_of(request).footnote.roll_back, name))
