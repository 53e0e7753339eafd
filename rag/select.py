"""Which sentences of the passages found answer the question, and how sure that is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from index.lexical import content_terms, terms
from index.types import Hit, Passage, Sentence
from rag.kinds import holds, kind_of

# A sentence's score: cosine with the question, plus these. The first two are the prototype's, measured on CLAPNQ.
_COVERAGE_WEIGHT = 0.5
_KIND_BONUS = 0.15
_PASSAGE_WEIGHT = 0.15
_FRAGMENT_PENALTY = 0.15

_MAX_SENTENCES = 3
_KEEP_WITHIN = 0.72  # of the best sentence's score
_SAME = 0.6  # share of its terms that a sentence may have in common with one already taken
_PASSAGES_READ = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer, with what speaks for it."""

    passage: Passage
    sentence: Sentence
    rank: int  # of its passage, 0 is best
    cosine: float
    coverage: float  # share of the question's terms in it, weighted by idf, in [0, 1]
    kind_found: bool  # it holds what kind of thing the question asks for
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision to answer or to abstain is made of, each in [0, 1] or a cosine."""

    cosine: float  # of the best sentence
    passage_cosine: float  # of the best passage
    coverage: float  # of the question by the best sentence
    passage_coverage: float  # by the passages the answer is taken from, with title and headings
    kind_found: bool


def candidates(question: str, hits: Sequence[Hit], idf: Callable[[str], float]) -> list[Candidate]:
    """Every quotable sentence of the best passages, best first."""
    weights = _weights(question, idf)
    words = frozenset(re.findall(r"\w+", question.lower()))
    kind = kind_of(question)
    top = hits[0].score if hits else 0.0
    found: list[Candidate] = []
    for rank, hit in enumerate(hits[:_PASSAGES_READ]):
        for sentence, cosine in zip(hit.passage.sentences, hit.sentence_scores, strict=True):
            if sentence.kind in ("heading", "furniture") or sentence.text.rstrip().endswith("?"):
                continue
            coverage = _coverage(weights, set(terms(sentence.text)))
            kind_found = holds(kind, sentence.text, words)
            score = cosine + _COVERAGE_WEIGHT * coverage
            score += _KIND_BONUS if kind_found and kind != "open" else 0.0
            score += _PASSAGE_WEIGHT * (1.0 / (1.0 + max(0.0, top - hit.score)))
            score -= _FRAGMENT_PENALTY if _is_fragment(sentence) else 0.0
            found.append(Candidate(hit.passage, sentence, rank, cosine, coverage, kind_found, score))
    return sorted(found, key=lambda candidate: (-candidate.score, candidate.rank, candidate.sentence.start))


def select(question: str, ranked: Sequence[Candidate]) -> list[Candidate]:
    """The few sentences to quote, in reading order: the best, and others nearly as good that add something."""
    chosen: list[Candidate] = []
    for candidate in ranked:
        if len(chosen) == _MAX_SENTENCES or candidate.score < _KEEP_WITHIN * ranked[0].score:
            break
        own = set(content_terms(candidate.sentence.text))
        if all(len(own & set(content_terms(other.sentence.text))) <= _SAME * len(own) for other in chosen):
            chosen.append(candidate)
    best = {candidate.passage.row: i for i, candidate in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda candidate: (best[candidate.passage.row], candidate.sentence.start))


def weigh(question: str, hits: Sequence[Hit], ranked: Sequence[Candidate], idf: Callable[[str], float]) -> Evidence:
    """How much speaks for the question being answered by the passages found."""
    if not hits or not ranked:
        return Evidence(0.0, 0.0, 0.0, 0.0, False)
    weights = _weights(question, idf)
    best = ranked[0]
    around = {best.passage.row: best.passage}
    for candidate in ranked[1:_MAX_SENTENCES]:
        around[candidate.passage.row] = candidate.passage
    covered = max(_coverage(weights, _terms_with_headings(passage)) for passage in around.values())
    return Evidence(
        cosine=max(candidate.cosine for candidate in ranked[:_MAX_SENTENCES]),
        passage_cosine=max(hit.signals.dense for hit in hits[:_PASSAGES_READ]),
        coverage=max(candidate.coverage for candidate in ranked[:_MAX_SENTENCES]),
        passage_coverage=covered,
        kind_found=any(candidate.kind_found for candidate in ranked[:_MAX_SENTENCES]),
    )


# Logistic regression on Evidence; see docs/quality.md for the data and the command.
_INTERCEPT = -6.0
_WEIGHTS = {"cosine": 5.0, "passage_cosine": 1.5, "coverage": 3.0, "passage_coverage": 3.0, "kind_found": 1.0}


def confidence(evidence: Evidence) -> float:
    """Estimated probability, in [0, 1], that the passages answer the question."""
    z = _INTERCEPT + sum(weight * float(getattr(evidence, name)) for name, weight in _WEIGHTS.items())
    return 1.0 / (1.0 + math.exp(-z))


def _weights(question: str, idf: Callable[[str], float]) -> dict[str, float]:
    return {term: max(idf(term), 0.0) for term in content_terms(question)}


def _coverage(weights: dict[str, float], present: set[str]) -> float:
    whole = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in present) / whole if whole > 0 else 0.0


def _terms_with_headings(passage: Passage) -> set[str]:
    above = " ".join((passage.document.title, *passage.place.heading_path))
    return set(terms(passage.text)) | set(terms(above))


def _is_fragment(sentence: Sentence) -> bool:
    text = sentence.text.rstrip("”’\"')] ")
    return len(text.split()) < 4 or (sentence.kind == "prose" and not text.endswith((".", "!", "…", ":")))
