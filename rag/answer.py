"""The one path from a question to a cited answer. Every door (HTTP, CLI, evaluation) consumes its events.

retrieve -> weigh -> abstain, or select -> quote -> cite -> verify. Without an LLM the answer is made of the documents'
own sentences, each quoted exactly. With one it is written (rag/write.py), and quoted all the same where the LLM fails
or nothing that it wrote is borne out.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TypeVar

import numpy as np

from index.generation import Generation
from index.search import Query, make_query
from index.types import Encoder, Hit, Passage, Vector
from rag.abstain import TryOut, confidence, weigh
from rag.cite import SourceChanged, cite
from rag.errors import BadQuestion, LlmMissing
from rag.foreign import foreignness
from rag.read import Reader, Reading
from rag.rephrase import understand_with
from rag.rerank import Reranker, find
from rag.rewrite import understand
from rag.select import Candidate, candidates, path_above, reread, select, worth_reading
from rag.types import (
    Answer,
    AnswerSentence,
    Citation,
    Done,
    Event,
    Mode,
    PassagesFound,
    Question,
    Reason,
    RetrievedPassage,
    SentenceReady,
)
from rag.write import DECLINED, Writer, Written, write

T = TypeVar("T")
MAX_QUESTION_BYTES = 8_000
ABSTAINED_TEXT = DECLINED


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What the answerer runs with; part of every evaluation record through the settings hash."""

    # Below it Footnote abstains. Chosen for the most right outcomes on one half of the seeds suite (docs/quality.md).
    min_confidence: float = 0.35


def answer(
    question: Question,
    generation: Generation,
    encoder: Encoder,
    *,
    source_changed: SourceChanged,
    reader: Reader | None = None,
    reranker: Reranker | None = None,
    writer: Writer | None = None,
    options: AnswerOptions = AnswerOptions(),
) -> Iterator[Event]:
    """Answer from one generation: PassagesFound, then a SentenceReady a sentence, then Done.

    Raises BadQuestion for an empty or overlong question, LlmMissing where a written answer is asked for and there is no
    ``writer``. Abstaining is a Done with a reason, and an LLM that fails is a Done with a fallback."""
    clock = _Clock()
    _check(question)
    writer = _asked_of(question, writer)
    answer_id = _answer_id(question, generation.name, (reader, reranker, writer), options)
    until = time.monotonic() + (writer.options.timeout_s if writer else 0.0)
    understood = understand(question.text, question.messages)
    if writer is not None:
        understood = understand_with(writer.llm, question.text, question.messages, understood, until)
        clock.lap("understand")
    asked = understood.standalone
    documents = generation.store.resolve(question.documents) if question.documents else None
    hits: list[Hit] = []
    queries: list[Query] = []
    if documents is None or documents:
        queries = [make_query(text, encoder, weight) for text, weight in understood.searches]
        clock.lap("encode")
        without = generation.store.resolve(question.without)
        hits = find(asked, queries, generation, reranker, k=question.k, documents=documents, without=without)
    clock.lap("retrieve")
    passages = tuple(_retrieved(hit) for hit in hits)
    yield PassagesFound(answer_id, generation.name, passages)

    ranked, chosen = _chosen(asked, hits, generation, reader, question.sentences)
    clock.lap("read")
    try_out = _foreignness_of(asked, queries, chosen, generation, encoder)
    sure = confidence(weigh(asked, ranked, chosen, generation.lexical.idf, try_out))
    reason = _reason(question, generation, documents, hits, sure, options)
    told = _Told()
    mode: Mode = "extractive"
    written = Written()
    if not reason and writer is not None:
        written = yield from told.each(
            write(asked, hits, generation, encoder, writer, until=until, source_changed=source_changed)
        )
        mode = "generative" if told.sentences else mode
        clock.lap("write")
    if not reason and not told.sentences:
        removed = yield from told.each(_quoted(generation, chosen, source_changed))
        reason = "" if told.sentences else "no_evidence"
    else:
        removed = 0
    clock.lap("answer")
    yield Done(
        Answer(
            answer_id=answer_id,
            generation=generation.name,
            question=question.text,
            standalone_question=understood.standalone,
            mode=mode,
            text=" ".join(sentence.text for sentence in told.sentences) if told.sentences else ABSTAINED_TEXT,
            abstained=bool(reason),
            reason=reason,
            confidence=round(sure, 4),
            min_confidence=options.min_confidence,
            sentences=tuple(told.sentences),
            citations=tuple(told.citations),
            passages=passages,
            removed_citations=removed + written.removed_citations,
            timings_ms=clock.finish(),
            fallback=written.fallback,
            removed_sentences=written.removed_sentences,
        )
    )


def final(events: Iterator[Event]) -> Answer:
    """The Answer at the end of ``events``."""
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise AssertionError("an answer ends with Done")


class _Told:
    """What has been given of an answer."""

    def __init__(self) -> None:
        self.sentences: list[AnswerSentence] = []
        self.citations: list[Citation] = []

    def each(self, events: Generator[SentenceReady, None, T]) -> Generator[SentenceReady, None, T]:
        """The sentences of ``events``, remembered; returns what ``events`` does."""
        while True:
            try:
                ready = next(events)
            except StopIteration as ended:
                result: T = ended.value
                return result
            self.sentences.append(ready.sentence)
            self.citations.extend(ready.citations)
            yield ready


def _asked_of(question: Question, writer: Writer | None) -> Writer | None:
    """Who writes the answer to ``question``; None where it is to be quoted."""
    if question.mode == "generative" and writer is None:
        raise LlmMissing(
            "A written answer was asked for, and no LLM is configured.",
            remedy="Set FOOTNOTE_LLM_URL and FOOTNOTE_LLM_MODEL, or ask without mode.",
        )
    return None if question.mode == "extractive" else writer


def _foreignness_of(
    question: str, queries: Sequence[Query], chosen: list[Candidate], generation: Generation, encoder: Encoder
) -> TryOut:
    """Tries out words of ``question`` against the sentences that would be quoted."""
    known = {query.text: query.vector for query in queries}  # the question's own is most often among them
    quoted = generation.sentences.take(np.array([one.sentence.row for one in chosen], dtype=np.int64))  # (n, dim)

    def encode(text: str) -> Vector:
        return known[text] if text in known else encoder.encode_query(text)

    return lambda words: foreignness(question, words, quoted, encode)


def _check(question: Question) -> None:
    if not any(character.isalnum() for character in question.text):
        raise BadQuestion("The question is empty.", remedy="Ask something in words.")
    if len(question.text.encode("utf-8", "replace")) > MAX_QUESTION_BYTES:
        raise BadQuestion(
            f"The question is longer than {MAX_QUESTION_BYTES} bytes.",
            remedy="Ask in fewer words, or put the text into the folder.",
        )


def _answer_id(
    question: Question, generation: str, models: tuple[Reader | Reranker | Writer | None, ...], options: AnswerOptions
) -> str:
    """The same question put to the same generation and models with the same options has the same id, 20 hex digits;
    unless a Writer is among the models, who writes something else each time."""
    asked = asdict(replace(question, plain=False))  # which only matters where somebody writes
    named = [generation, asked, [model.fingerprint if model else "" for model in models], asdict(options)]
    if any(isinstance(model, Writer) for model in models):
        named.append(secrets.token_hex(8))
    return sha256(json.dumps(named).encode()).hexdigest()[:20]


def _chosen(
    asked: str, hits: list[Hit], generation: Generation, reader: Reader | None, most: int
) -> tuple[list[Candidate], list[Candidate]]:
    """The sentences of ``hits``, those first that most likely answer, and of them those to quote, all of which are from
    passages that were read."""
    first = ranked = candidates(asked, hits, generation.lexical.idf)
    chosen = select(asked, ranked, most)
    readings: dict[int, Reading] = {}  # by the passage's row
    while reader is not None and (passages := worth_reading(ranked, chosen, readings)):
        found = reader.read(asked, [_to_read(passage) for passage in passages])
        readings |= {passage.row: reading for passage, reading in zip(passages, found, strict=True)}
        ranked = reread(first, readings)
        chosen = select(asked, ranked, most)
    return ranked, chosen


def _to_read(passage: Passage) -> tuple[str, list[str]]:
    """A passage as the reader takes it: what stands above it, and its sentences."""
    return path_above(passage), [sentence.text for sentence in passage.sentences]


def _reason(
    question: Question,
    generation: Generation,
    documents: list[str] | None,
    hits: list[Hit],
    sure: float,
    options: AnswerOptions,
) -> Reason:
    if question.documents and not documents:
        return "not_indexed"
    if not len(generation.lexical):
        return "index_empty"
    if not hits:
        return "no_evidence"
    return "weak_evidence" if sure < options.min_confidence else ""


def _quoted(
    generation: Generation, chosen: list[Candidate], source_changed: SourceChanged
) -> Generator[SentenceReady, None, int]:
    """Each chosen sentence as it stands, with its footnote; returns how many are left out because their citation does
    not hold."""
    position, n = 0, 1
    for candidate in chosen:
        citation = cite(
            generation,
            candidate.passage,
            candidate.sentence,
            n=n,
            answer_start=position,
            source_changed=source_changed,
        )
        if citation is None:
            continue
        sentence = AnswerSentence(
            text=citation.cited_text,
            start=position,
            end=citation.answer_end,
            citations=(n,),
            support=citation.support,
            verdict="supported",
        )
        position, n = citation.answer_end + 1, n + 1  # one space between sentences
        yield SentenceReady(sentence, (citation,))
    return len(chosen) - (n - 1)


def _retrieved(hit: Hit) -> RetrievedPassage:
    passage = hit.passage
    return RetrievedPassage(
        passage_id=passage.passage_id,
        document_id=passage.document.document_id,
        source=passage.document.source,
        start_char=passage.start,
        end_char=passage.end,
        text=passage.text,
        score=round(hit.score, 6),
        title=passage.document.title,
        page=passage.place.page,
        heading_path=passage.place.heading_path,
    )


class _Clock:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = round((now - self._last) * 1000, 3)
        self._last = now

    def finish(self) -> dict[str, float]:
        return {**self._laps, "total": round((time.perf_counter() - self._start) * 1000, 3)}
