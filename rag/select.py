"""Which sentences of the passages found answer the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from index.lexical import content_terms, terms
from index.types import Hit, Passage, Sentence
from rag.asked import Asked, ask, asks_several, coverage, focus_of, names_in
from rag.kinds import defines, holds, kind_of
from rag.read import Reading
from rag.series import series_of

# A sentence's score is its cosine with the question plus these; see docs/quality.md for the sets they were chosen on.
_OWN_WORDS = 0.5  # share of the question's words in the sentence
_NEAR_WORDS = 0.35  # share, by idf, in the sentence, the one before it and the headings above
_KIND_BONUS = 0.2  # for someone, a place or a name
_FACT_BONUS = 0.15  # for a number, a date or a sum, which are told apart from other words with certainty
_COUNTED = ("quantity", "amount")
_FACTS = (*_COUNTED, "date")
_DEFINITION_BONUS = 0.4  # "what is a generation" is answered by "... is called a generation"
_FRAGMENT_PENALTY = 0.2
_READ_PASSAGE = 0.05  # a unit of the reader's log-odds that the passage answers
_READ_SENTENCE = 0.04  # and that the sentence does, against the best of its passage
_UNLIKELY = -3.0  # the reader's log-odds below which a sentence is not quoted beside the best
_ROW_PENALTY = 0.1  # a table row repeats its headers, which the question's words are often among

_HEADLINE = 10  # words; so long a heading says something, as the headline of a news article does
_PASSAGES = 6  # whose sentences may be quoted
_READ_AT_ONCE = 2  # passages
_SURE = 1.0  # the reader's log-odds that a passage answers at which the next best ones need not be read
_SAME = 0.6  # share of its terms that a sentence may have in common with one already taken
_WORDS = 70  # of an answer; a sentence may reach beyond with at most half of its own


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer, with what speaks for it."""

    passage: Passage
    sentence: Sentence
    rank: int  # of its passage, 0 is best
    cosine: float
    coverage: float  # share of the question's terms in it and right above it, weighted by idf, in [0, 1]
    kind_found: bool  # it holds what kind of thing the question asks for
    score: float
    was_read: bool = False  # by a reader
    sentence_read: float = 0.0  # the reader's logit that it answers; 0 when its passage was not read
    passage_read: float = 0.0  # the reader's logit that its passage answers


def candidates(question: str, hits: Sequence[Hit], idf: Callable[[str], float]) -> list[Candidate]:
    """Every quotable sentence of the best passages, best first."""
    asked = ask(question, idf)
    found: list[Candidate] = []
    for rank, hit in enumerate(hits[:_PASSAGES]):
        above = terms_above(hit.passage)
        before: Set[str] = frozenset()
        heading = ""  # right above
        for sentence, cosine in zip(hit.passage.sentences, hit.sentence_scores, strict=True):
            own = frozenset(terms(sentence.text))
            if _is_quotable(sentence):
                entry = bool(asked.defined) and terms(heading) == terms(asked.defined)  # of a glossary
                said = own | before if entry else own  # the term stands for the sentence's subject
                weighed = _weighed(asked, hit.passage, sentence, rank, cosine, said, own | before | above)
                found.append(replace(weighed, score=weighed.score + _DEFINITION_BONUS) if entry else weighed)
            before, heading = own, sentence.text if sentence.kind == "heading" else ""
    return _best_first(found)


def _best_first(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda candidate: (-candidate.score, candidate.rank, candidate.sentence.start))


def worth_reading(ranked: Sequence[Candidate], chosen: Sequence[Candidate], read: Collection[int]) -> list[Passage]:
    """The passages to be read next, given the rows of those ``read``: to begin with the two of ``ranked``'s best; then
    those of ``chosen`` (by ``select``), for all that is quoted has to be read; then two more at a time, as long as none
    that was read is sure to answer. An empty list: enough was read."""
    if read:
        unread = [passage for passage in passages_of(chosen) if passage.row not in read]
        if unread or max(candidate.passage_read for candidate in ranked) >= _SURE:
            return unread
    return [passage for passage in passages_of(ranked) if passage.row not in read][:_READ_AT_ONCE]


def passages_of(some: Sequence[Candidate]) -> list[Passage]:
    """The passages of ``some``, each once, in their order."""
    return list({candidate.passage.row: candidate.passage for candidate in some}.values())


def reread(ranked: Sequence[Candidate], readings: Mapping[int, Reading]) -> list[Candidate]:
    """``ranked`` anew, best first, with what the reader makes of the passages in these rows.

    A sentence's logit is set against its passage's best, for the reader learnt to tell sentences of one passage apart.
    A passage that was not read counts as the worst that was."""
    if not readings:
        return list(ranked)
    worst = min(reading.passage for reading in readings.values())
    found: list[Candidate] = []
    for candidate in ranked:
        reading = readings.get(candidate.passage.row)
        passage_read, own, behind = worst, 0.0, 0.0
        if reading is not None:
            own = reading.sentences[candidate.passage.sentences.index(candidate.sentence)]
            passage_read, behind = reading.passage, own - max(reading.sentences)
        score = candidate.score + _READ_PASSAGE * passage_read + _READ_SENTENCE * behind
        found.append(replace(candidate, score=score, was_read=True, sentence_read=own, passage_read=passage_read))
    return _best_first(found)


def _weighed(
    asked: Asked, passage: Passage, sentence: Sentence, rank: int, cosine: float, own: Set[str], near: Set[str]
) -> Candidate:
    kind_found = holds(asked.kind, sentence.text, asked.words, asked.counted)
    implied = asked.implied if kind_found else frozenset()
    covered = coverage(asked.weights, near, implied)
    score = cosine + _OWN_WORDS * coverage(asked.even, own, implied) + _NEAR_WORDS * covered
    if kind_found and asked.kind != "open":
        score += _FACT_BONUS if asked.kind in _FACTS else _KIND_BONUS
    score += _DEFINITION_BONUS if asked.defined and defines(asked.defined, sentence.text) else 0.0
    score -= _FRAGMENT_PENALTY if _is_fragment(sentence) else 0.0
    score -= _ROW_PENALTY if sentence.kind == "row" else 0.0
    return Candidate(passage, sentence, rank, cosine, covered, kind_found, score)


# How many sentences answer, and how close to the best one the others must come.
_WITHIN = 0.65
_LIMITS = {"open": (3, _WITHIN), "person": (3, _WITHIN), "place": (3, _WITHIN), "date": (3, _WITHIN)}
_FACT_LIMITS = (2, 0.72)  # a number, a sum, a name


def select(question: str, ranked: Sequence[Candidate], most: int = 0) -> list[Candidate]:
    """The few sentences to quote, in reading order: the best, others nearly as good that add something, and all that
    the text counts off where that is asked for.

    With ``most``, up to that many of those that come near the best and do not repeat one another."""
    return _in_reading_order(_best(ranked, most) if most else _whole_series(question, ranked, _few(question, ranked)))


def _best(ranked: Sequence[Candidate], most: int) -> list[Candidate]:
    chosen: list[Candidate] = []
    for candidate in _near(ranked, _WITHIN):
        if len(chosen) == most:
            break
        if not _repeats(candidate, chosen):
            chosen.append(candidate)
    return chosen


def _near(ranked: Sequence[Candidate], within: float) -> Iterator[Candidate]:
    """The best, and those whose score is at least ``within`` of its and that the reader does not hold for unlikely."""
    yield from ranked[:1]
    for candidate in ranked[1:]:
        if candidate.score < within * ranked[0].score:
            return
        if candidate.sentence_read >= _UNLIKELY:
            yield candidate


def _few(question: str, ranked: Sequence[Candidate]) -> list[Candidate]:
    kind = kind_of(focus_of(question))
    limit, within = _LIMITS.get(kind, _FACT_LIMITS)
    several = asks_several(question)  # then what its first part asks for does not bind what answers the others
    numbers = _to_speak_of(question, ranked, several)
    chosen: list[Candidate] = []
    n_words = 0
    for candidate in _near(ranked, within):
        words = len(re.findall(r"\w+", candidate.sentence.text))
        if len(chosen) == limit:
            break
        if chosen and kind in _COUNTED and not (candidate.kind_found or several):
            continue  # beside the best sentence only what can be the number or sum asked for
        if chosen and n_words + words / 2 > _WORDS:
            break
        if chosen and numbers and not _held(candidate, numbers):
            continue
        if not _repeats(candidate, chosen):
            chosen.append(candidate)
            n_words += words
    return chosen


def _to_speak_of(question: str, ranked: Sequence[Candidate], several: bool) -> Set[str]:
    """The years and numbers of ``question`` of which all that is quoted beside the best has to speak: those it names,
    where the best speaks of one. None where it speaks of them all and the question has another part."""
    named = frozenset(term for term in names_in(question) if term.isdecimal())
    held = _held(ranked[0], named) if ranked else frozenset()
    return frozenset() if not held or (several and held == named) else named


def _whole_series(question: str, ranked: Sequence[Candidate], chosen: list[Candidate]) -> list[Candidate]:
    if not chosen:
        return []
    passage = chosen[0].passage
    series = series_of(question, passage.sentences, chosen[0].sentence)
    missing = [
        candidate
        for candidate in ranked
        if candidate.passage is passage and candidate.sentence in series and candidate not in chosen
    ]
    return [*chosen, *missing]


def _in_reading_order(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Sentences of one passage together and in its order; passages in the order of their best."""
    best = {candidate.passage.row: i for i, candidate in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda candidate: (best[candidate.passage.row], candidate.sentence.start))


def terms_above(passage: Passage) -> frozenset[str]:
    """Terms of the document's title and of the headings over the passage."""
    return frozenset(terms(" ".join((passage.document.title, *passage.place.heading_path))))


def path_above(passage: Passage) -> str:
    """The document's title and the headings over the passage, as a model reads them; "" when there are none."""
    above = dict.fromkeys((passage.document.title, *passage.place.heading_path))  # the title is often a heading too
    return " > ".join(filter(None, above))


def _held(candidate: Candidate, some: Set[str]) -> Set[str]:
    return some & (frozenset(terms(candidate.sentence.text)) | terms_above(candidate.passage))


def _repeats(candidate: Candidate, chosen: Sequence[Candidate]) -> bool:
    own = set(content_terms(candidate.sentence.text))
    return any(len(own & set(content_terms(other.sentence.text))) > _SAME * len(own) for other in chosen)


def _is_quotable(sentence: Sentence) -> bool:
    if sentence.kind == "heading" and len(sentence.text.split()) < _HEADLINE:
        return False
    return sentence.kind != "furniture" and not sentence.text.rstrip().endswith("?")


def _is_fragment(sentence: Sentence) -> bool:
    text = sentence.text.rstrip("”’\"')] ")
    return len(text.split()) < 4 or (sentence.kind == "prose" and not text.endswith((".", "!", "…", ":")))
