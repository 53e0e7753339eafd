"""Evidence quotes -> spans of the documents, once, when a suite meets an index."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from eval.errors import SuiteError
from eval.types import Case, Corpus, Evidence, EvidenceSpan, ResolvedCase, ResolvedSuite, Suite

_SHOWN_CHARS = 100  # of a quote, in an error


def make_corpus(texts: Mapping[str, tuple[str, str]]) -> Corpus:
    """``texts`` is source -> (document_id, canonical text)."""
    return Corpus(
        texts=dict(texts.values()),
        text_sha256={document_id: sha256(text.encode()).hexdigest() for document_id, text in texts.values()},
    )


def find_quote(quote: str, text: str) -> list[tuple[int, int]]:
    """All spans of ``text`` that read as ``quote`` does when any run of white space is as good as another.

    Overlapping finds count apart, so that "a a" is found twice in "a a a"."""
    pattern = re.compile(r"\s+".join(re.escape(word) for word in quote.split()))
    found: list[tuple[int, int]] = []
    match = pattern.search(text)
    while match:
        found.append(match.span())
        match = pattern.search(text, match.start() + 1)
    return found


def resolve(suite: Suite, texts: Mapping[str, tuple[str, str]]) -> ResolvedSuite:
    """Tie every evidence quote to its span. ``texts`` is source -> (document_id, canonical text).

    Raises SuiteError that lists every quote that is missing from its source, or stands there more than once."""
    corpus = make_corpus(texts)
    problems: list[str] = []
    cases: list[ResolvedCase] = []
    for case in suite.cases:
        spans: list[EvidenceSpan] = []
        for evidence in case.evidence:
            if evidence.source not in texts:
                problems.append(_problem(case, evidence, "the source is not in the index"))
                continue
            document_id, text = texts[evidence.source]
            found = find_quote(evidence.quote, text)
            if evidence.start is not None:
                found = [span for span in found if span[0] == evidence.start]
                if not found:
                    problems.append(_problem(case, evidence, f"the quote does not begin at character {evidence.start}"))
                    continue
            if len(found) != 1:
                times = f"stands {len(found)} times in the text" if found else "is not in the text"
                problems.append(_problem(case, evidence, f"the quote {times}"))
                continue
            ((start, end),) = found
            spans.append(
                EvidenceSpan(
                    source=evidence.source,
                    quote=evidence.quote,
                    group=evidence.group,
                    document_id=document_id,
                    text_sha256=corpus.text_sha256[document_id],
                    start=start,
                    end=end,
                )
            )
        cases.append(ResolvedCase(case, tuple(spans)))
    if problems:
        raise SuiteError(
            f"The suite {suite.name!r} does not fit the documents:",
            problems=problems,
            remedy=f"Quote each passage of {suite.source!r} exactly, enough of it to be found once, or with its start.",
        )
    return ResolvedSuite(suite, tuple(cases), corpus)


def _problem(case: Case, evidence: Evidence, what: str) -> str:
    quote = evidence.quote if len(evidence.quote) <= _SHOWN_CHARS else evidence.quote[:_SHOWN_CHARS] + "…"
    return f"case {case.id!r}, source {evidence.source!r}: {what}: {quote!r}"
