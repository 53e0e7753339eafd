"""An answer's citations in the shapes that other programs hold: made from the Answer, beside it, never in its place.

Each shape keeps what it has room for as it is: spans of the answer, spans of the document, the text that was cited.
With the answer's text and the list of documents, every span and every quotation is found again
(tests/api/test_citation_formats.py). Offsets are code points in all of them, as in Footnote's own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from rag.types import Answer, Citation

CitationFormat = Literal["native", "anthropic", "cohere", "openai"]


def formatted(answer: Answer, form: CitationFormat, base: str = "") -> dict[str, Any] | None:
    """What stands in ``formatted`` of an answer: the shape asked for, and the documents that it counts or names.

    ``base`` goes before the addresses of an annotation. None for "native": the answer has those already."""
    if form == "native":
        return None
    made = {"format": form, "documents": cited_documents(answer)}
    if form == "anthropic":
        return {**made, "content": char_locations(answer)}
    if form == "cohere":
        return {**made, "citations": sourced_spans(answer)}
    return {**made, "annotations": url_citations(answer, base)}


def cited_documents(answer: Answer) -> list[dict[str, Any]]:
    """The documents cited, each once, in the order in which they are first cited."""
    first: dict[str, Citation] = {}
    for citation in answer.citations:
        first.setdefault(citation.document_id, citation)
    return [
        {"document_id": one.document_id, "source": one.source, "title": one.title, "text_sha256": one.text_sha256}
        for one in first.values()
    ]


def char_locations(answer: Answer) -> list[dict[str, Any]]:
    """Anthropic's shape: blocks of text whose concatenation is the answer, each with the locations that it rests on.

    ``document_index`` counts from 0 in ``cited_documents``."""
    index = {document["document_id"]: n for n, document in enumerate(cited_documents(answer))}
    edges = {0, len(answer.text)}.union(*((one.answer_start, one.answer_end) for one in answer.citations))
    cuts = sorted(edges)
    return [
        {
            "type": "text",
            "text": answer.text[start:end],
            "citations": [
                _char_location(one, index[one.document_id])
                for one in answer.citations
                if one.answer_start <= start and end <= one.answer_end
            ],
        }
        for start, end in pairwise(cuts)
    ]


def _char_location(citation: Citation, document_index: int) -> dict[str, Any]:
    return {
        "type": "char_location",
        "cited_text": citation.cited_text,
        "document_index": document_index,
        "document_title": citation.title,
        "start_char_index": citation.start_char,
        "end_char_index": citation.end_char,
    }


def sourced_spans(answer: Answer) -> list[dict[str, Any]]:
    """Cohere's shape: each span of the answer once, with all the sources that it rests on."""
    spans: dict[tuple[int, int], list[Citation]] = {}
    for one in answer.citations:
        spans.setdefault((one.answer_start, one.answer_end), []).append(one)
    return [
        {"start": start, "end": end, "text": answer.text[start:end], "sources": [_source(one) for one in citations]}
        for (start, end), citations in spans.items()
    ]


def _source(citation: Citation) -> dict[str, Any]:
    """``document`` is a map that its maker fills, so that the span in the document has its place there."""
    return {
        "type": "document",
        "id": citation.document_id,
        "document": {
            "id": citation.document_id,
            "title": citation.title,
            "source": citation.source,
            "snippet": citation.cited_text,
            "start_char": citation.start_char,
            "end_char": citation.end_char,
        },
    }


def url_citations(answer: Answer, base: str = "") -> list[dict[str, Any]]:
    """OpenAI's shape: annotations of a message. The address's fragment names the span in the document (RFC 5147)."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": one.answer_start,
                "end_index": one.answer_end,
                "title": one.title,
                "url": base + one.url,
            },
        }
        for one in answer.citations
    ]
