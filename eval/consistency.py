"""Is the same question, asked in other words, answered from the same places?"""

from __future__ import annotations

from collections.abc import Sequence

from eval.match import overlaps
from eval.types import Record
from rag.types import Answer, Citation


def consistency(records: Sequence[Record]) -> list[float]:
    """Of each case that is `same_as` another of ``records``, how far the two answers agree, in [0, 1].

    1 when both abstain, 0 when only one does or one could not be run; else the share of both answers' footnotes that
    point where a footnote of the other answer points (Dice: twice the shared over all)."""
    by_id = {record.case.id: record for record in records}
    pairs = [(record, by_id.get(record.case.same_as)) for record in records if record.case.same_as]
    return [_agreement(one, other) for one, other in pairs if other is not None]


def _agreement(one: Record, other: Record) -> float:
    if one.failure is not None or other.failure is not None or one.answer is None or other.answer is None:
        return 0.0
    if one.answer.abstained or other.answer.abstained:
        return float(one.answer.abstained and other.answer.abstained)
    shared = _shared(one.answer, other.answer) + _shared(other.answer, one.answer)
    return shared / max(1, len(one.answer.citations) + len(other.answer.citations))


def _shared(answer: Answer, other: Answer) -> int:
    return sum(any(_same_place(one, theirs) for theirs in other.citations) for one in answer.citations)


def _same_place(one: Citation, other: Citation) -> bool:
    if one.document_id != other.document_id and one.text_sha256 != other.text_sha256:
        return False
    return overlaps(one.start_char, one.end_char, other.start_char, other.end_char)
