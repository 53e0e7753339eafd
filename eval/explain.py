"""Why a measure of one case is below 1, in one sentence each; for reports."""

from __future__ import annotations

from eval.measures import (
    QUOTATIONS,
    is_exact,
    is_grounded,
    missing_parts,
    points_at,
    uncited_groups,
    verified_texts,
)
from eval.retrieval import covered_groups
from eval.types import Corpus, Failure, ResolvedCase, Ungrounded
from rag.types import Answer, AnswerSentence
from rag.verify import Checker

_SHOWN_CHARS = 80


def explain(
    resolved: ResolvedCase,
    answer: Answer | None,
    failure: Failure | None,
    corpus: Corpus,
    checker: Checker = QUOTATIONS,
) -> dict[str, str]:
    """Measure -> reason, for the measures that applied and are below 1 (``failed``: above 0)."""
    if failure is not None or answer is None:
        failed = failure or Failure("", "no answer")
        return {"failed": f"could not be run: {failed.type}: {failed.message}"}
    if answer.abstained:
        return _explain_abstention(resolved, answer) | _explain_retrieval(resolved, answer, corpus)
    return (
        _explain_text(resolved, answer, checker)
        | _explain_citations(resolved, answer, corpus)
        | _explain_retrieval(resolved, answer, corpus)
    )


def _explain_abstention(resolved: ResolvedCase, answer: Answer) -> dict[str, str]:
    if not resolved.case.answerable:
        return {}
    why = f"abstained ({answer.reason or 'no reason given'}) where the documents have an answer"
    return {"abstention_precision": why, "answer_correct": "nothing was answered", "citation_recall": "nothing cited"}


def _explain_text(resolved: ResolvedCase, answer: Answer, checker: Checker) -> dict[str, str]:
    notes: dict[str, str] = {}
    if not resolved.case.answerable:
        notes["abstention_recall"] = "answered where the documents say nothing"
    missing = missing_parts(resolved.case, answer.text)
    if missing:
        listed = "; ".join(" or ".join(f"“{_short(phrase)}”" for phrase in part) for part in missing)
        notes["answer_correct"] = f"the answer does not contain {listed}"
    faults = ungrounded(answer, checker)
    if faults:
        listed = "; ".join(f"“{_short(answer.text[one.start : one.end])}” ({one.why})" for one in faults)
        notes["groundedness"] = f"not supported by a verified footnote: {listed}"
    elif not answer.sentences:
        notes["groundedness"] = "the answer has no sentences"
    return notes


def ungrounded(answer: Answer, checker: Checker = QUOTATIONS) -> tuple[Ungrounded, ...]:
    """The sentences that are not grounded, with what was said of them when they were given, or what the checker says of
    them now."""
    return tuple(
        _fault(sentence, answer, checker) for sentence in answer.sentences if not is_grounded(sentence, answer, checker)
    )


def _fault(sentence: AnswerSentence, answer: Answer, checker: Checker) -> Ungrounded:
    said = checker.verify(sentence.text, verified_texts(sentence, answer))
    why = said.why if sentence.verdict == "supported" else sentence.verdict
    return Ungrounded(sentence.start, sentence.end, why, said.unsupported)


def _explain_citations(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> dict[str, str]:
    notes: dict[str, str] = {}
    inexact = [citation for citation in answer.citations if not is_exact(citation, corpus.texts)]
    if inexact:
        listed = "; ".join(f"footnote {c.n}: {c.source} at {c.start_char}–{c.end_char}" for c in inexact)
        notes["citation_exact"] = f"the cited text is not what the document says there: {listed}"
    if not resolved.evidence:
        return notes
    stray = [c.n for c in answer.citations if not any(points_at(c, span) for span in resolved.evidence)]
    if stray:
        notes["citation_precision"] = f"no evidence where footnote {', '.join(map(str, stray))} points"
    elif not answer.citations:
        notes["citation_precision"] = "the answer has no footnotes"
    uncited = uncited_groups(resolved, answer)
    if uncited:
        notes["citation_recall"] = f"not cited: {_list_groups(resolved, uncited)}"
    return notes


def _explain_retrieval(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> dict[str, str]:
    found = {
        group
        for passage in answer.passages[:5]
        for group in covered_groups(passage, resolved.groups, corpus.text_sha256)
    }
    missed = [group for group in resolved.groups if group not in found]
    return {"recall_at_5": f"not in the first five passages: {_list_groups(resolved, missed)}"} if missed else {}


def _list_groups(resolved: ResolvedCase, groups: list[str]) -> str:
    return "; ".join(
        f"“{_short(spans[0].quote)}” ({spans[0].source}{f', or {len(spans) - 1} alternatives' if spans[1:] else ''})"
        for group, spans in resolved.groups.items()
        if group in groups
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
