"""A few questions that the documents answer, to begin with: those that they ask themselves, then such as are made by
rule from a sentence, then such as ask about a section by its heading.

A reader sees these first, so only forms that read well are made: far fewer than ``eval.questions`` knows."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import zip_longest

from eval.questions import questions
from index.lexical import content_terms
from index.types import Passage, Sentence

_WORDS = range(4, 17)  # of a question: shorter ones lean on what stands before them, longer ones are hard to take in
_HEADING_WORDS = range(2, 6)
_MIN_TERMS = 2
_SAME = 0.6  # share of its terms that a question may have in common with one already made
_LEANS = frozenset("it its they them their he him his she her this that these those such there here we you i".split())  # noqa: SIM905
_OWN = re.compile(r"(?:What|When|Where|Who|Whose|Which|Why|How)\b")  # a quotation is a poor yes or no
_OPENING = re.compile(r"(?:When|Where|How many) \S")
_WHAT = re.compile(r"What (?:is|was|are|were) (?P<what>.+)\?")
_NAME = re.compile(r"\s[A-Z]")  # a capital inside: a thing that has a name
_DANGLING = re.compile(r"\b(\w+) \1\b|[,;:()]|\b(?:of|in|to|with|for|as|on|from|by|at|and|or|the|a|an|ha)\?$")
_HEADING = re.compile(r"(?!(?:What|How|Why|When|Where|Who|From|To|In|On|With|Without)\b)[A-Z][^\d:?!.]+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question, and the passage that it was made from."""

    question: str
    passage: Passage


def suggestions(passages: Iterable[Passage], *, words: Set[str]) -> Iterator[Suggestion]:
    """Suggestions, the best form first and the documents taking turns; no two of them ask for nearly the same.

    ``words`` is a vocabulary of English. The same passages give the same suggestions."""
    chance = random.Random(0)  # noqa: S311 - it chooses between forms of one question
    forms = [_forms(passage, words, chance) for passage in passages]
    asked: list[Set[str]] = []
    for position in range(3):
        for found in _in_turns(made for form in forms for made in form[position]):
            terms = frozenset(content_terms(found.question))
            if len(terms) < _MIN_TERMS or any(len(terms & other) > _SAME * len(terms) for other in asked):
                continue
            asked.append(terms)
            yield found


def _forms(
    passage: Passage, words: Set[str], chance: random.Random
) -> tuple[list[Suggestion], list[Suggestion], list[Suggestion]]:
    """What the passage asks itself, what its prose answers, and what is said under its headings."""
    own: list[str] = []
    made: list[str] = []
    headed: list[str] = []
    for sentence in passage.sentences:
        flat = " ".join(sentence.text.split())
        if flat.endswith("?"):
            own += [flat] if _OWN.match(flat) and _reads_well(flat) else []
        elif sentence.kind == "prose":
            made += _plain(flat, words, chance)[:1]
        elif _is_topic(sentence, flat):
            headed.append(f"What is said about “{flat}”?")
    return _of(passage, own), _of(passage, made), _of(passage, headed)


def _of(passage: Passage, found: Iterable[str]) -> list[Suggestion]:
    return [Suggestion(question, passage) for question in found]


def _reads_well(question: str) -> bool:
    found = re.findall(r"[\w’'-]+", question)
    leans = _LEANS & {word.lower() for word in found}
    return len(found) in _WORDS and question[0].isupper() and not leans and not _DANGLING.search(question)


def _plain(sentence: str, words: Set[str], chance: random.Random) -> list[str]:
    """Questions that ask when, where or how many, or what a thing is that has a name."""
    if not sentence[0].isupper():
        return []
    plain = []
    for made in questions(sentence, words, chance):
        what = _WHAT.fullmatch(made.question)
        if _OPENING.match(made.question):
            plain.append(made.question)
        elif what and sentence.lower().startswith(f"{what['what'].lower()} ") and _NAME.search(f" {what['what']}"):
            known = what["what"].startswith("the ")  # without an article the name may be a person's
            plain.append(made.question if known else made.question.replace("What", "Who or what", 1))
    return [question for question in plain if _reads_well(question)]


def _is_topic(sentence: Sentence, flat: str) -> bool:
    if sentence.kind != "heading" or len(flat.split()) not in _HEADING_WORDS or flat.isupper():
        return False
    return bool(_HEADING.fullmatch(flat)) and not _LEANS & {word.lower() for word in flat.split()}


def _in_turns(found: Iterable[Suggestion]) -> Iterator[Suggestion]:
    """One a document, and again until all are used."""
    piles: dict[str, list[Suggestion]] = defaultdict(list)
    for one in found:
        piles[one.passage.document.source].append(one)
    for once in zip_longest(*(piles[source] for source in sorted(piles))):
        yield from (one for one in once if one is not None)
