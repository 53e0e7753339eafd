"""How well the right passages were ranked. The only door to ir_measures (https://ir-measur.es).

Evidence of one group is interchangeable, so relevance is judged by group, not by passage: the first passage that
covers a group becomes that group's document, and a passage that covers nothing new is a document of its own that is
not relevant. The relevant documents are the groups, each with relevance 1. A passage that covers two groups at once
stands for two documents in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
from ir_measures import RR, R, SetR, nDCG

from eval.match import covers
from eval.types import EvidenceSpan, ResolvedCase
from rag.types import RetrievedPassage

_QUERY = "q"  # each call judges one question

RETRIEVAL_MEASURES = ("recall_at_5", "ndcg_at_10", "rr")


def covered_groups(
    passage: RetrievedPassage, groups: Mapping[str, Sequence[EvidenceSpan]], text_sha256: Mapping[str, str]
) -> list[str]:
    """The groups of which the passage holds at least half of one span, in the same document or one of the same text."""
    digest = text_sha256.get(passage.document_id, "")
    return [
        group
        for group, spans in groups.items()
        if any(
            (span.document_id == passage.document_id or span.text_sha256 == digest)
            and covers(passage.start_char, passage.end_char, span.start, span.end)
            for span in spans
        )
    ]


def ranked_documents(
    passages: Sequence[RetrievedPassage], resolved: ResolvedCase, text_sha256: Mapping[str, str]
) -> list[list[str]]:
    """What each passage, best first, stands for: ``group:NAME`` for each group that it is the first to cover, or else
    ``other:RANK``."""
    seen: set[str] = set()
    ranked: list[list[str]] = []
    for rank, passage in enumerate(passages, start=1):
        new = [group for group in covered_groups(passage, resolved.groups, text_sha256) if group not in seen]
        seen.update(new)
        ranked.append([f"group:{group}" for group in new] or [f"other:{rank}"])
    return ranked


def measure_ranking(ranked: Sequence[Sequence[str]], groups: Sequence[str]) -> dict[str, float]:
    """recall_at_5, ndcg_at_10 and rr (reciprocal rank of the first group), each in [0, 1]; an empty ranking gets 0.

    recall_at_5 is the share of groups covered by the first five passages."""
    qrels = [ir_measures.Qrel(_QUERY, f"group:{group}", 1) for group in groups]
    order = _run([document for documents in ranked for document in documents])
    first_five = _run([document for documents in ranked[:5] for document in documents])
    whole = ir_measures.calc_aggregate([nDCG @ 10, RR], qrels, order)
    return {
        "recall_at_5": float(ir_measures.calc_aggregate([SetR], qrels, first_five)[SetR]),
        "ndcg_at_10": float(whole[nDCG @ 10]),
        "rr": float(whole[RR]),
    }


def measure_documents(ranked: Sequence[str], relevant: Sequence[str]) -> dict[str, float]:
    """ndcg_at_5 and recall_at_10 of a ranking of documents, best first, each named once."""
    qrels = [ir_measures.Qrel(_QUERY, document, 1) for document in relevant]
    found = ir_measures.calc_aggregate([nDCG @ 5, R @ 10], qrels, _run(ranked))
    return {"ndcg_at_5": float(found[nDCG @ 5]), "recall_at_10": float(found[R @ 10])}


def _run(documents: Sequence[str]) -> list[object]:
    return [ir_measures.ScoredDoc(_QUERY, document, -float(rank)) for rank, document in enumerate(documents)]
