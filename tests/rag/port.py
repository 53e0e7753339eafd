"""Four documents of one passage each, and the questions that are put to them."""

from __future__ import annotations

from pathlib import Path

from rag.types import Answer, Done, Event, PassagesFound, SentenceReady

PORT = {
    "harbour.txt": "The harbour was opened in 1911 by Mayor Ilse Brandt. Building the harbour cost 4.2 million crowns.",
    "ferry.txt": "The ferry Aurora sails at noon every Tuesday. The crossing takes 55 minutes.",
    "museum.txt": "🚢 The museum keeps 300 models of ships. Its tickets cost 12 crowns.",
    "weather.txt": "Fog closes the port on twenty days a year. Most wind comes from the west.",
}


def fill(folder: Path) -> Path:
    folder.mkdir()
    for name, text in PORT.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def parts(events: list[Event]) -> tuple[PassagesFound, list[SentenceReady], Answer]:
    """The three kinds of event, in the order that they must come in."""
    first, *between, last = events
    assert isinstance(first, PassagesFound)
    assert isinstance(last, Done)
    ready = [event for event in between if isinstance(event, SentenceReady)]
    assert len(ready) == len(between)
    return first, ready, last.answer
