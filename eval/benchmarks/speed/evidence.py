"""Whether the text that answers is in what was retrieved, told by the text alone, so that any program can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BUDGET_CHARS = 4_000  # of what is retrieved, best first: about what a prompt is given

Retrieved = Sequence[tuple[str, str]]
"""(source, text) of each thing retrieved, best first."""


@dataclass(frozen=True, slots=True)
class Found:
    """Over the questions whose gold texts are known."""

    recall: float  # of gold characters, white space not counted; the mean over questions
    whole: float  # share of questions of which at least one gold text is there whole
    n: int
    unplaced: int  # retrieved texts that are not in the document they are said to be of, letter for letter


def evidence_found(
    gold: Sequence[Sequence[tuple[str, str]]], retrieved: Sequence[Retrieved], texts: Mapping[str, str]
) -> Found | None:
    """``gold`` and ``retrieved`` are aligned by question; ``texts`` is source -> text. None when no gold is known."""
    squeezed = {source: _squeeze(text) for source, text in texts.items()}
    recalls: list[float] = []
    wholes: list[bool] = []
    unplaced = 0
    for wanted, got in zip(gold, retrieved, strict=True):
        if not wanted:
            continue
        seen: set[tuple[str, int]] = set()
        for source, text in got:
            places = _places(_squeeze(text), squeezed.get(source, ""))
            unplaced += not places
            seen.update((source, at) for start, end in places for at in range(start, end))
        spans = [
            {(source, at) for start, end in _places(_squeeze(text), squeezed[source])[:1] for at in range(start, end)}
            for source, text in wanted
        ]
        everything = set().union(*spans)
        recalls.append(len(everything & seen) / len(everything))
        wholes.append(any(span <= seen for span in spans))
    if not recalls:
        return None
    return Found(sum(recalls) / len(recalls), sum(wholes) / len(wholes), len(recalls), unplaced)


def _squeeze(text: str) -> str:
    """Without white space, which every splitter treats as it likes."""
    return "".join(text.split())


def _places(part: str, whole: str) -> list[tuple[int, int]]:
    """Where ``part`` stands in ``whole``."""
    return list(_occurrences(part, whole)) if part else []


def _occurrences(part: str, whole: str) -> Iterable[tuple[int, int]]:
    at = whole.find(part)
    while at >= 0:
        yield at, at + len(part)
        at = whole.find(part, at + 1)
