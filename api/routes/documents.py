"""GET /v1/documents and /v1/passages: what is indexed, as it was indexed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from api.routes.ask import GENERATION_HEADER
from api.schemas import DocumentEntry, DocumentList, SkippedEntry
from api.state import State, state_of
from index.errors import CorruptGeneration, IncompatibleIndex, NotFound
from index.freshness import source_changed
from index.generation import Generation
from index.types import Document

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["documents"])


@router.get("/documents")
async def documents(request: Request, response: Response) -> DocumentList:
    """Every indexed document, by source, and whether its file is still what was indexed; and what was skipped."""
    state = state_of(request)

    def work() -> DocumentList:
        with state.footnote.library.pin() as generation:
            entries = [_entry(state, generation, document) for document in generation.store.documents()]
            sources = {entry.source for entry in entries}  # a stale document is served, although its file was skipped
            report = state.footnote.last_report(generation)
            skipped = [SkippedEntry(**one) for one in report.get("skipped", ()) if one["source"] not in sources]
            return DocumentList(generation=generation.name, documents=entries, skipped=skipped)

    found = await anyio.to_thread.run_sync(work)
    response.headers[GENERATION_HEADER] = found.generation
    return found


@router.get("/documents/{document_id}")
async def document(request: Request, document_id: str) -> DocumentEntry:
    state = state_of(request)

    def work() -> DocumentEntry:
        with state.footnote.library.pin() as generation:
            return _entry(state, generation, generation.store.document(document_id))

    return await anyio.to_thread.run_sync(work)


@router.get("/documents/{document_id}/text", response_class=PlainTextResponse)
async def text(request: Request, document_id: str) -> PlainTextResponse:
    """The canonical text that citations' offsets count in: Unicode code points, from 0. A version that is no longer
    live is found as long as a generation that has it is kept."""
    state = state_of(request)

    def work() -> tuple[str, str]:
        return _in_any_generation(state, lambda generation: (generation.name, generation.store.text(document_id)))

    generation, body = await anyio.to_thread.run_sync(work)
    return PlainTextResponse(body, headers={GENERATION_HEADER: generation, "X-Content-Type-Options": "nosniff"})


@router.get("/passages/{passage_id}")
async def passage(request: Request, response: Response, passage_id: str) -> dict[str, Any]:
    """One passage, of the live generation or of any still kept."""
    found = await anyio.to_thread.run_sync(read_passage, state_of(request), passage_id)
    response.headers[GENERATION_HEADER] = found["generation"]
    return found


def read_passage(state: State, passage_id: str) -> dict[str, Any]:
    """One passage as JSON. Raises NotFound when no generation has it."""
    generation, found = _in_any_generation(
        state, lambda generation: (generation.name, generation.store.passage_by_id(passage_id))
    )
    return {
        "generation": generation,
        "passage_id": found.passage_id,
        "document_id": found.document.document_id,
        "source": found.document.source,
        "title": found.document.title,
        "start_char": found.start,
        "end_char": found.end,
        "text": found.text,
        "n_tokens": found.n_tokens,
        **asdict(found.place),
        "sentences": [
            {"start_char": sentence.start, "end_char": sentence.end, "kind": sentence.kind}
            for sentence in found.sentences
        ],
    }


def _in_any_generation(state: State, look: Callable[[Generation], T]) -> T:
    """``look`` at the live generation and then, newest first, at the others, until one has what is sought."""
    library = state.footnote.library
    with library.pin() as generation:
        live = generation.name
        try:
            return look(generation)
        except NotFound as error:
            missing = error
    for name in reversed(library.layout.names()):
        if name == live:
            continue
        try:
            with library.open_by_name(name) as older:
                return look(older)
        except (NotFound, CorruptGeneration, IncompatibleIndex):
            continue
    raise missing


def _entry(state: State, generation: Generation, document: Document) -> DocumentEntry:
    source = state.footnote.settings.source
    changed = source_changed(source, generation, document.document_id)
    path, _, _ = generation.store.location(document.document_id)  # the name itself, which need not be valid UTF-8
    missing = bool(changed) and not os.path.lexists(os.path.join(os.fsencode(source), path))
    return DocumentEntry.of(document, changed, missing)
