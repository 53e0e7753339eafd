"""Hits made by hand: sentences with their cosines, no index and no encoder."""

from __future__ import annotations

from collections.abc import Sequence

from index.types import Document, Hit, Passage, Place, SegmentKind, Sentence, Signals


def hit(*sentences: tuple[str, float], row: int = 0, title: str = "", headings: Sequence[str] = ()) -> Hit:
    """A passage of these sentences, each with its cosine to the question."""
    document = Document(f"d{row}", f"{row}.txt", title, "txt", "", "", 0, 0, 1, len(sentences), ())
    place = Place(tuple(headings))
    text, made = "", []
    for i, (sentence, _) in enumerate(sentences):
        start = len(text) + (1 if text else 0)
        text = f"{text} {sentence}".strip()
        kind: SegmentKind = "heading" if sentence in headings else "prose"
        made.append(Sentence(row * 100 + i, start, len(text), kind, sentence, place))
    passage = Passage(f"p{row}", row, document, 0, len(text), text, len(text.split()), place, tuple(made))
    cosines = tuple(cosine for _, cosine in sentences)
    return Hit(passage, 1.0 - row, Signals(max(cosines), max(cosines), 1.0, 1.0), cosines)


def flat(_: str) -> float:
    """Every term weighs the same."""
    return 1.0
