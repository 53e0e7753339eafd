"""The values that eval/ is made of, read first: a suite of cases goes in, records come out, a summary stands over them.

Spans are half-open ranges of Unicode code points into a document's canonical text, as everywhere in Footnote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from rag.types import Answer, Turn

Operator = Literal[">=", "<=", ">", "<", "=="]

ONE_GROUP = "1"
"""The group of evidence that names none: all of it together is one group of alternatives."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quotation that supports the answer. Entries of one group are alternatives; each group is needed."""

    source: str  # path relative to the source folder
    quote: str  # found in the document's text, white space aside
    group: str = ONE_GROUP
    start: int | None = None  # where in the text the quote begins; needed where it stands there more than once


@dataclass(frozen=True, slots=True)
class Case:
    """One question and what a good answer to it is."""

    id: str
    question: str
    answerable: bool
    messages: tuple[Turn, ...] = ()
    answers: tuple[str, ...] = ()  # the answer must contain one of them
    answers_all: tuple[tuple[str, ...], ...] = ()  # and one alternative of each of these parts
    evidence: tuple[Evidence, ...] = ()
    references: tuple[str, ...] = ()  # whole answers, each good, that an answer's words are compared with
    documents: tuple[str, ...] = ()  # sources to look in; all when empty
    without: tuple[str, ...] = ()  # sources not to look in: what only they say is then unanswerable
    same_as: str = ""  # id of a case that asks the same in other words
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """What a measure's mean has to be for the run to pass."""

    measure: str
    operator: Operator
    threshold: float

    @property
    def condition(self) -> str:
        """As it is written in suite.toml, such as ``>= 0.85``."""
        return f"{self.operator} {self.threshold!r}"


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    source: str  # the folder of documents that the questions are about
    path: Path  # the suite's own folder
    cases: tuple[Case, ...]
    gates: tuple[Gate, ...]
    sha256: str  # of suite.toml and cases.jsonl


@dataclass(frozen=True, slots=True)
class EvidenceSpan:
    """Evidence tied to its place; the text there is ``quote`` but for white space."""

    source: str
    quote: str
    group: str
    document_id: str
    text_sha256: str  # of the document's canonical text, so that a copy of the document counts too
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ResolvedCase:
    """A case whose evidence has been found in the documents."""

    case: Case
    evidence: tuple[EvidenceSpan, ...] = ()

    @property
    def groups(self) -> dict[str, tuple[EvidenceSpan, ...]]:
        """The alternatives of each group, groups in the order they first appear."""
        found: dict[str, tuple[EvidenceSpan, ...]] = {}
        for span in self.evidence:
            found[span.group] = (*found.get(span.group, ()), span)
        return found


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents' canonical texts, as measures need them."""

    texts: Mapping[str, str]  # document_id -> canonical text
    text_sha256: Mapping[str, str]  # document_id -> sha256 of that text in UTF-8

    @property
    def fingerprint(self) -> str:
        """Changes whenever a document or its text does."""
        return sha256(repr(sorted(self.text_sha256.items())).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ResolvedSuite:
    suite: Suite
    cases: tuple[ResolvedCase, ...]
    corpus: Corpus


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a case could not be run."""

    type: str  # the exception's class
    message: str


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """A sentence of an answer that its footnotes do not bear out."""

    start: int  # answer.text[start:end], code points
    end: int
    why: str
    words: tuple[str, ...]  # of the sentence, as written, that found no support; () when it is the whole of it


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one case; one line of records.jsonl."""

    case: Case
    evidence: tuple[EvidenceSpan, ...]
    answer: Answer | None  # None when asking raised
    failure: Failure | None  # None when the case ran
    elapsed_ms: float
    measures: Mapping[str, float | None]  # None: does not apply to this case
    notes: Mapping[str, str]  # measure -> why it is below 1
    passed: bool  # it ran, and every measure of eval.measures.DECISIVE that applies is 1
    ungrounded: tuple[Ungrounded, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean (for latencies: a percentile) over ``n`` cases with its bootstrap 95 % interval; None when n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class GateResult:
    measure: str
    condition: str
    value: float | None
    passed: bool
    reason: str  # "" when it passed


@dataclass(frozen=True, slots=True)
class TagTable:
    """The same measures over the cases that carry one tag."""

    tag: str
    cases: int
    passed: int
    measures: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class CaseFailure:
    """A case that could not be run, listed so that it is never lost in a mean."""

    id: str
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run; what summary.json holds."""

    suite: str
    suite_sha256: str
    generation: str
    settings_hash: str
    model_fingerprint: str
    context: Mapping[str, str]  # all that the caller said about the run
    started: str  # UTC, ISO 8601
    seconds: float  # spent asking, the part of an interrupted run that was taken up again included
    passed: bool  # every gate holds
    cases: int
    cases_passed: int
    failures: tuple[CaseFailure, ...]
    gates: tuple[GateResult, ...]
    measures: Mapping[str, Estimate]
    risk_coverage: tuple[tuple[float, float], ...]  # share answered, share of these that is wrong; the surest first
    tags: tuple[TagTable, ...]
