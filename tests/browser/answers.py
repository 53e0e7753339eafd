"""Answers as the service might give them, made up where the service over three short documents gives none such."""

from __future__ import annotations

import json
from typing import Any

PAYLOAD = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def citation(n: int, cited: str, **more: Any) -> dict[str, Any]:
    known = {"document_id": "d", "source": "a.md", "title": "Tides", "start_char": 0, "end_char": len(cited)}
    return {"n": n, **known, "heading_path": [], "cited_text": cited, "source_changed": False, **more}


def answer(*sentences: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An answer of ``{text, verdict, citations}``; each number of a citation cites the sentence itself."""
    return {
        "answer_id": "a1",
        "generation": "000001",
        "mode": "generative",
        "text": " ".join(sentence["text"] for sentence in sentences),
        "abstained": False,
        "reason": "",
        "sentences": list(sentences),
        "citations": [citation(n, sentence["text"]) for sentence in sentences for n in sentence["citations"]],
        "passages": [],
        **more,
    }


def stream(given: dict[str, Any]) -> str:
    return f"event: passages\ndata: {json.dumps({'passages': []})}\n\nevent: done\ndata: {json.dumps(given)}\n\n"
