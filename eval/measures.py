"""Measures of one answer: pure functions of (case with its evidence, answer) -> a number in [0, 1], or None.

None means that the measure does not apply to this case, and leaves it out of the mean. A case that could not be run
counts as 0 in every measure that its kind of case is judged by."""

from __future__ import annotations

from collections.abc import Mapping

from eval.match import contains, overlaps, rouge_l, token_f1
from eval.retrieval import RETRIEVAL_MEASURES, measure_ranking, ranked_documents
from eval.types import Case, Corpus, EvidenceSpan, ResolvedCase
from rag.types import Answer, AnswerSentence, Citation
from rag.verify import Checker, QuotationChecker

MEASURES: dict[str, str] = {
    "answer_correct": "share of answerable questions whose answer says what it should",
    "token_f1": "tokens shared with the best of the expected answers and evidence (F1)",
    "rouge_l": "longest common subsequence with the best of them (ROUGE-L F1)",
    "citation_exact": "share of answers with footnotes whose every footnote is letter for letter in its document",
    "citation_precision": "share of an answer's footnotes that point at evidence",
    "citation_recall": "share of the needed evidence that is footnoted",
    "groundedness": "share of an answer's sentences that are supported and carry a verified footnote",
    "abstention_precision": "share of the abstentions where there was nothing to answer",
    "abstention_recall": "share of the unanswerable questions where Footnote abstained",
    "recall_at_5": "share of the needed evidence in the first five passages",
    "ndcg_at_10": "ranking of the evidence in the first ten passages (nDCG)",
    "rr": "reciprocal rank of the first passage with evidence",
    "failed": "share of the questions that could not be run",
    "consistency": "how far questions put in other words are answered from the same places",
    "calibration_error": "how far confidences are from the share of answerable questions (ECE)",
    "latency_p50_ms": "median time to an answer, ms",
    "latency_p95_ms": "95th percentile of the time to an answer, ms",
}
"""Every measure a gate may name, with what it says. All but LOWER_IS_BETTER: higher is better."""

LOWER_IS_BETTER = frozenset({"failed", "calibration_error", "latency_p50_ms", "latency_p95_ms"})

DECISIVE = ("answer_correct", "citation_exact", "abstention_precision", "abstention_recall")
"""A case passes when each of these that applies to it is 1."""

PER_RUN = ("consistency", "calibration_error", "latency_p50_ms", "latency_p95_ms")
"""Measures of all cases together."""

PER_CASE = tuple(name for name in MEASURES if name not in PER_RUN)


QUOTATIONS: Checker = QuotationChecker()


def measure_case(
    resolved: ResolvedCase, answer: Answer | None, corpus: Corpus, checker: Checker = QUOTATIONS
) -> dict[str, float | None]:
    """All of PER_CASE for one case; ``answer`` is None when the case could not be run."""
    if answer is None:
        judged_by = _judged_by(resolved)
        return {name: 0.0 if name in judged_by else None for name in PER_CASE} | {"failed": 1.0}
    return {
        "failed": 0.0,
        "answer_correct": answer_correct(resolved, answer),
        "token_f1": answer_token_f1(resolved, answer),
        "rouge_l": answer_rouge_l(resolved, answer),
        "citation_exact": citation_exact(answer, corpus.texts),
        "citation_precision": citation_precision(resolved, answer),
        "citation_recall": citation_recall(resolved, answer),
        "groundedness": groundedness(answer, checker),
        **retrieval(resolved, answer, corpus),
        "abstention_precision": abstention_precision(resolved, answer),
        "abstention_recall": abstention_recall(resolved, answer),
    }


def _judged_by(resolved: ResolvedCase) -> set[str]:
    """The measures of a case that could not be run: all that a full answer to it would have had."""
    if not resolved.case.answerable:
        return {"abstention_recall"}
    names = {"citation_exact", "groundedness"}
    if resolved.case.answers or resolved.case.answers_all:
        names |= {"answer_correct"}
    if resolved.evidence:
        names |= {"citation_precision", "citation_recall", *RETRIEVAL_MEASURES}
    if _references(resolved):
        names |= {"token_f1", "rouge_l"}
    return names


def missing_parts(case: Case, text: str) -> list[tuple[str, ...]]:
    """The parts of the expected answer that ``text`` lacks, each as its alternatives."""
    parts = [case.answers] if case.answers else []
    return [part for part in (*parts, *case.answers_all) if not any(contains(text, phrase) for phrase in part)]


def answer_correct(resolved: ResolvedCase, answer: Answer) -> float | None:
    """1 when the answer contains one of ``answers`` and one alternative of each part of ``answers_all``.

    Applies to answerable cases that state an answer; abstaining there is 0. See eval.match.contains."""
    case = resolved.case
    if not case.answerable or not (case.answers or case.answers_all):
        return None
    return float(not answer.abstained and not missing_parts(case, answer.text))


def _references(resolved: ResolvedCase) -> tuple[str, ...]:
    return resolved.case.references or (*resolved.case.answers, *(span.quote for span in resolved.evidence))


def answer_token_f1(resolved: ResolvedCase, answer: Answer) -> float | None:
    """Token F1 with the best of the references, or of answers and quotes. For answerable cases; 0 when abstained."""
    references = _references(resolved)
    if not resolved.case.answerable or not references:
        return None
    return 0.0 if answer.abstained else max(token_f1(answer.text, reference) for reference in references)


def answer_rouge_l(resolved: ResolvedCase, answer: Answer) -> float | None:
    """ROUGE-L with the best of the references, or of answers and quotes. For answerable cases; 0 when abstained."""
    references = _references(resolved)
    if not resolved.case.answerable or not references:
        return None
    return 0.0 if answer.abstained else max(rouge_l(answer.text, reference) for reference in references)


def is_exact(citation: Citation, texts: Mapping[str, str]) -> bool:
    """Whether the cited text is what the document says there. ``texts`` is document_id -> canonical text.

    An unknown document, an empty span and a span outside the text are not exact."""
    text = texts.get(citation.document_id, "")
    if not 0 <= citation.start_char < citation.end_char <= len(text):
        return False
    return text[citation.start_char : citation.end_char] == citation.cited_text


def citation_exact(answer: Answer, texts: Mapping[str, str]) -> float | None:
    """1 when every citation of the answer is_exact. Applies to answers with citations."""
    if not answer.citations:
        return None
    return float(all(is_exact(citation, texts) for citation in answer.citations))


def points_at(citation: Citation, span: EvidenceSpan) -> bool:
    """Whether the citation and the evidence share half of the shorter of the two, in one text."""
    same_text = citation.document_id == span.document_id or citation.text_sha256 == span.text_sha256
    return same_text and overlaps(citation.start_char, citation.end_char, span.start, span.end)


def citation_precision(resolved: ResolvedCase, answer: Answer) -> float | None:
    """Share of the citations that point at some evidence of the case; 0 when there are none.

    Applies to answerable cases with evidence that were answered."""
    if not resolved.evidence or answer.abstained:
        return None
    right = sum(any(points_at(citation, span) for span in resolved.evidence) for citation in answer.citations)
    return right / len(answer.citations) if answer.citations else 0.0


def uncited_groups(resolved: ResolvedCase, answer: Answer) -> list[str]:
    """The groups of evidence that no citation points at."""
    return [
        group
        for group, spans in resolved.groups.items()
        if not any(points_at(citation, span) for citation in answer.citations for span in spans)
    ]


def citation_recall(resolved: ResolvedCase, answer: Answer) -> float | None:
    """Share of the evidence groups that a citation points at; 0 when abstained. Applies to cases with evidence."""
    if not resolved.evidence:
        return None
    return 0.0 if answer.abstained else 1.0 - len(uncited_groups(resolved, answer)) / len(resolved.groups)


def verified_texts(sentence: AnswerSentence, answer: Answer) -> list[str]:
    """What the sentence's footnotes hold, of those that were verified when they were given."""
    return [one.cited_text for one in answer.citations if one.verified and one.n in sentence.citations]


def is_grounded(sentence: AnswerSentence, answer: Answer, checker: Checker = QUOTATIONS) -> bool:
    """Whether the sentence stands in the answer where it says, was judged supported when it was given, and is judged
    so again, by what its verified citations hold."""
    cited = verified_texts(sentence, answer)
    if sentence.verdict != "supported" or answer.text[sentence.start : sentence.end] != sentence.text:
        return False
    return sentence.text in cited or checker.verify(sentence.text, cited).verdict == "supported"


def groundedness(answer: Answer, checker: Checker = QUOTATIONS) -> float | None:
    """Share of the sentences that are grounded; 0 for text without sentences. Applies to whatever was answered."""
    if answer.abstained:
        return None
    if not answer.sentences:
        return 0.0
    return sum(is_grounded(sentence, answer, checker) for sentence in answer.sentences) / len(answer.sentences)


def abstention_precision(resolved: ResolvedCase, answer: Answer) -> float | None:
    """Of an abstention: 1 when the case is unanswerable. Its mean is the precision of abstaining."""
    return float(not resolved.case.answerable) if answer.abstained else None


def abstention_recall(resolved: ResolvedCase, answer: Answer) -> float | None:
    """Of an unanswerable case: 1 when it was abstained from. Its mean is the recall of abstaining."""
    return None if resolved.case.answerable else float(answer.abstained)


def retrieval(resolved: ResolvedCase, answer: Answer, corpus: Corpus) -> dict[str, float | None]:
    """recall_at_5, ndcg_at_10 and rr of the passages behind the answer. Applies to cases with evidence."""
    if not resolved.evidence:
        return dict.fromkeys(RETRIEVAL_MEASURES)
    ranked = ranked_documents(answer.passages, resolved, corpus.text_sha256)
    return {**measure_ranking(ranked, list(resolved.groups))}
