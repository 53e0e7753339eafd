"""Counters for GET /metrics, in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from api.compose import Footnote
from rag.types import Answer

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry an application, so that two in one process do not share counts."""

    def __init__(self, footnote: Footnote) -> None:
        self._footnote = footnote
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "footnote_requests_total", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.answers = Counter(
            "footnote_answers_total",
            "Answers by mode, outcome and generation.",
            ["mode", "outcome", "generation"],
            registry=self.registry,
        )
        self.sentences = Counter(
            "footnote_sentences_total",
            "Sentences of answers by verdict and generation.",
            ["verdict", "generation"],
            registry=self.registry,
        )
        self.fallbacks = Counter(
            "footnote_llm_fallbacks_total", "Answers that an LLM failed, by why.", ["code"], registry=self.registry
        )
        self.unsupported = Counter(
            "footnote_llm_sentences_removed_total",
            "Sentences that an LLM wrote and that were not borne out, and not given.",
            registry=self.registry,
        )
        self.citations, self.removed, self.source_changed = (
            Counter(name, what, ["generation"], registry=self.registry)
            for name, what in (
                ("footnote_citations_total", "Citations given."),
                ("footnote_citations_removed_total", "Citations that did not match their source, and were not given."),
                ("footnote_citations_source_changed_total", "Citations of files changed since."),
            )
        )
        self.seconds = Histogram(
            "footnote_answer_seconds", "Time to an answer.", buckets=_BUCKETS_S, registry=self.registry
        )
        self._corrupt = Gauge(
            "footnote_corrupt_generations", "Generations found damaged since start.", registry=self.registry
        )
        self._corrupt.set_function(lambda: float(footnote.library.corrupt))

    def answered(self, given: Answer) -> None:
        generation = given.generation
        self.answers.labels(given.mode, given.reason or "answered", generation).inc()
        for sentence in given.sentences:
            self.sentences.labels(sentence.verdict, generation).inc()
        self.citations.labels(generation).inc(len(given.citations))
        self.removed.labels(generation).inc(given.removed_citations)
        self.source_changed.labels(generation).inc(sum(1 for citation in given.citations if citation.source_changed))
        self.unsupported.inc(given.removed_sentences)
        if given.fallback:
            self.fallbacks.labels(given.fallback).inc()
        self.seconds.observe(given.timings_ms.get("total", 0.0) / 1000)

    def text(self) -> bytes:
        return generate_latest(self.registry)
