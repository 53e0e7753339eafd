"""The values that rag/ is made of, read first: a question comes in, events go out, the last one holds the Answer.

The JSON of the HTTP interface is exactly these fields (docs/http.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Mode = Literal["extractive", "generative"]
Role = Literal["user", "assistant", "system"]
Reason = Literal["", "no_evidence", "weak_evidence", "index_empty", "not_indexed"]
"""Why an answer abstains; "" when it does not.

no_evidence: nothing was retrieved, or no quotation held against its source.
weak_evidence: passages were found, and none says what is asked.
index_empty: the index holds no text. not_indexed: the documents asked for are not in the index."""
Fallback = Literal[
    "",
    "llm_unreachable",
    "llm_timeout",
    "llm_refused",
    "llm_rate_limited",
    "llm_error",
    "llm_bad_reply",
    "llm_cut_off",
    "llm_too_long",
    "llm_filtered",
    "llm_declined",
    "llm_nothing_supported",
    "llm_context_too_small",
    "llm_breaker_open",
]
"""Why an answer that an LLM was to write is quoted instead or, where some of it had been given already, ends early; ""
when neither. docs/http.md says what each means."""
Verdict = Literal["supported", "unsupported", "contradicted", "unjudged"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation before the question."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    messages: tuple[Turn, ...] = ()
    k: int = 8  # passages retrieved
    documents: tuple[str, ...] = ()  # document ids or sources to look in; all when empty
    without: tuple[str, ...] = ()  # document ids or sources not to look in, nor in documents with the same text
    sentences: int = 0  # quoted at most; 0 for as many as the question asks for
    plain: bool = False  # asked by a client that shows no verdicts: what is not borne out is left out for certain
    mode: Literal["", Mode] = ""  # "" for generative where there is an LLM; "extractive" asks none


@dataclass(frozen=True, slots=True)
class Citation:
    """A span of the answer tied to a span of a document.

    ``answer.text[answer_start:answer_end]`` is footnoted; ``canonical_text[start_char:end_char] == cited_text``."""

    n: int  # 1-based number of the footnote
    answer_start: int
    answer_end: int
    document_id: str
    source: str
    title: str
    source_sha256: str
    text_sha256: str
    passage_id: str
    start_char: int
    end_char: int
    page: int | None
    heading_path: tuple[str, ...]
    slide: int | None
    sheet: str | None
    row: int | None
    chapter: str | None
    cited_text: str
    verified: bool  # re-sliced from the stored text, hash checked, and equal
    support: float  # in [0, 1]: how well the span backs the sentence; 1 for a quotation
    source_changed: bool | None  # the file differs from what was indexed; None when that could not be told
    url: str


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    text: str  # answer.text[start:end]
    start: int
    end: int
    citations: tuple[int, ...]  # numbers of the footnotes
    support: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    passage_id: str
    document_id: str
    source: str
    start_char: int
    end_char: int
    text: str
    score: float
    title: str
    page: int | None
    heading_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    answer_id: str
    generation: str
    question: str
    standalone_question: str  # the question as it was understood in the light of the conversation
    mode: Mode
    text: str
    abstained: bool
    reason: Reason
    confidence: float  # estimated probability, in [0, 1], that the passages found answer the question
    min_confidence: float  # below it this answer would have abstained
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    passages: tuple[RetrievedPassage, ...]  # best first
    removed_citations: int  # did not match their source, so were not shown
    timings_ms: Mapping[str, float]
    fallback: Fallback = ""
    removed_sentences: int = 0  # an LLM wrote them and they were not borne out by what they cite


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """First event: what was retrieved."""

    answer_id: str
    generation: str
    passages: tuple[RetrievedPassage, ...]


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """A finished, verified sentence with the citations that are new with it."""

    sentence: AnswerSentence
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Last event: the whole answer; its text is the sentences, joined by single spaces."""

    answer: Answer


Event = PassagesFound | SentenceReady | Done
