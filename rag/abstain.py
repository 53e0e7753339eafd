"""How sure it is that the passages found answer the question; below a threshold Footnote abstains."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from index.lexical import terms
from rag.asked import Asked, ask, coverage, focus_of, match
from rag.foreign import unheld_words
from rag.kinds import asks_of_death, holds, named_noun, names_noun, tells_of_death
from rag.select import Candidate, passages_of, path_above, terms_above

_MAX_MISSING = 2  # names; more do not make it worse
_READINGS = 2  # of passages: where more are read, one of them is the likelier to seem to answer


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision to answer or to abstain is made of. Each field pulls one way only."""

    cosine: float  # of the best sentence that would be quoted
    coverage: float  # of the question's words by the best sentence alone, by idf, in [0, 1]
    passage_coverage: float  # by a passage quoted from, with its title and headings
    missing_names: int  # names and numbers of the question that no such passage holds, 2 at most
    unnamed: float  # 1 where the name of a thing is asked for that is there without one, 1/2 where it is not there
    kind_found: bool  # the best sentence holds the kind of answer asked for
    no_death: bool = False  # a fact of someone's death is asked for, and no such passage speaks of death
    foreign: float = 0.0  # cosine gained by leaving out words that no quoted passage holds (rag.foreign)
    was_read: bool = False  # by a reader
    passage_read: float = 0.0  # its logit that the passage answers, the better of the two best sentences' passages


NO_EVIDENCE = Evidence(0.0, 0.0, 0.0, 0, 0.0, False)


TryOut = Callable[[Sequence[tuple[int, int]]], float]
"""Given ranges of words in the question, how foreign they are to what would be quoted (rag.foreign.foreignness)."""


def weigh(
    question: str,
    ranked: Sequence[Candidate],
    chosen: Sequence[Candidate],
    idf: Callable[[str], float],
    try_out: TryOut = lambda _: 0.0,
) -> Evidence:
    """How much speaks for ``question`` being answered by ``chosen`` (rag.select.select) of the ``ranked`` sentences."""
    if not chosen:
        return NO_EVIDENCE
    asked, best = ask(question, idf), ranked[0]
    passages = passages_of(chosen)
    readings = list({candidate.passage.row: candidate.passage_read for candidate in ranked}.values())
    held = [frozenset(terms(passage.text)) | terms_above(passage) for passage in passages]
    everything = frozenset[str]().union(*held)
    implied = asked.implied if best.kind_found else frozenset[str]()
    focus = focus_of(question)
    return Evidence(
        cosine=max(candidate.cosine for candidate in chosen),
        coverage=coverage(asked.weights, frozenset(terms(best.sentence.text)), implied),
        passage_coverage=max(coverage(asked.weights, present, implied) for present in held),
        missing_names=min(_missing(asked, everything), _MAX_MISSING),
        unnamed=_unnamed(focus, " ".join(passage.text for passage in passages), best, asked.words),
        kind_found=best.kind_found,
        no_death=asks_of_death(focus)
        and not any(tells_of_death(f"{path_above(passage)} {passage.text}") for passage in passages),
        foreign=try_out(unheld_words(question, everything | implied)),
        was_read=best.was_read,
        passage_read=max(readings[:_READINGS]),
    )


@dataclass(frozen=True, slots=True)
class Weights:
    """Of a logistic model of Evidence: units of log-odds for a unit of the field of that name."""

    intercept: float
    cosine: float
    coverage: float
    passage_coverage: float
    missing_names: float
    unnamed: float
    no_kind: float  # where kind_found is false
    foreign: float  # a cosine gained of .1 costs a tenth of it
    passage_read: float = 0.0


# A logistic regression, L2, on the even halves of the sets in docs/quality.md, which also says what it reaches.
UNREAD = Weights(
    intercept=-2.79,
    cosine=3.98,
    coverage=1.09,
    passage_coverage=0.95,
    missing_names=-1.04,
    unnamed=-2.88,
    no_kind=-0.87,
    foreign=-13.15,
)
# With a reader: half way from that to a regression over what it reads, steeper about the threshold (decision 0038).
READ = Weights(
    intercept=-2.79,
    cosine=3.89,
    coverage=0.66,
    passage_coverage=0.58,
    missing_names=-0.85,
    unnamed=-1.96,
    no_kind=-0.52,
    foreign=-7.88,
    passage_read=0.55,
)

# Log-odds, with a reader or without: of 13 such questions of all sets none can be answered (docs/quality.md).
_NO_DEATH = -2.0


def confidence(evidence: Evidence) -> float:
    """Estimated probability, in [0, 1], that the passages answer the question."""
    weights = READ if evidence.was_read else UNREAD
    z = weights.intercept + weights.cosine * max(evidence.cosine, 0.0)
    z += weights.coverage * evidence.coverage + weights.passage_coverage * evidence.passage_coverage
    z += weights.missing_names * evidence.missing_names + weights.unnamed * evidence.unnamed
    z += (0.0 if evidence.kind_found else weights.no_kind) + weights.foreign * evidence.foreign
    z += _NO_DEATH * evidence.no_death
    return 1.0 / (1.0 + math.exp(-z - weights.passage_read * evidence.passage_read))


def _missing(asked: Asked, present: frozenset[str]) -> int:
    return sum(match(name, present) == 0.0 for name in asked.names)


def _unnamed(focus: str, text: str, best: Candidate, question_words: frozenset[str]) -> float:
    noun = named_noun(focus)
    if not noun or names_noun(noun, text):
        return 0.0
    if any(term in terms(best.sentence.text) for term in terms(noun)):
        return 1.0
    return 0.0 if holds("name", best.sentence.text, question_words) else 0.5  # it may be named under another word
