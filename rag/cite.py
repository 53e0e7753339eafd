"""Footnotes: a quoted sentence tied to its document, read back from the store and compared before it is shown."""

from __future__ import annotations

from collections.abc import Callable

from index.errors import CorruptGeneration, NotFound
from index.generation import Generation
from index.types import Passage, Sentence
from rag.types import Citation

SourceChanged = Callable[[str], bool | None]
"""document id -> whether the file differs from what was indexed; None when that cannot be told."""


def cite(
    generation: Generation,
    passage: Passage,
    sentence: Sentence,
    *,
    n: int,
    answer_start: int,
    source_changed: SourceChanged,
    support: float = 1.0,
) -> Citation | None:
    """The footnote ``n`` for ``sentence``, quoted at ``answer_start``; None when the stored text does not bear it out.

    The passage is read again from the store, which checks its hash, and sliced at the sentence's offsets."""
    try:
        stored = generation.store.passage_by_id(passage.passage_id)
    except (NotFound, CorruptGeneration):
        return None
    sliced = stored.text[sentence.start - stored.start : sentence.end - stored.start]
    if sliced != sentence.text or not sliced:
        return None
    document, place = stored.document, sentence.place
    return Citation(
        n=n,
        answer_start=answer_start,
        answer_end=answer_start + len(sliced),
        document_id=document.document_id,
        source=document.source,
        title=document.title,
        source_sha256=document.source_sha256,
        text_sha256=document.text_sha256,
        passage_id=stored.passage_id,
        start_char=sentence.start,
        end_char=sentence.end,
        page=place.page,
        heading_path=place.heading_path,
        slide=place.slide,
        sheet=place.sheet,
        row=place.row,
        chapter=place.chapter,
        cited_text=sliced,
        verified=True,
        support=support,
        source_changed=source_changed(document.document_id),
        # A fragment of a plain text by code points: RFC 5147.
        url=f"/v1/documents/{document.document_id}/text#char={sentence.start},{sentence.end}",
    )
