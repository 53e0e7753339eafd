"""A suite made from a folder by rule: questions that its sentences answer, and questions that only a document which is
not looked in would answer.

Such questions keep the words of the sentence they were made from, so they are easier than those that people ask: what
is measured on them shows that something broke, and compares settings. It is no figure of how good the answers are."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from hashlib import sha256

from eval.inquire import BY_LLM
from eval.questions import Made, questions
from eval.types import Case, Evidence
from index.lexical import STOP_WORDS, content_terms
from index.types import Passage, Sentence

SaidElsewhere = Callable[[Passage, Sentence], bool]
"""Whether another content says much the same, so that leaving the sentence's document out leaves the answer in."""

Inquire = Callable[[Passage, Sentence], Made | None]
"""A question that the sentence answers, from elsewhere than the rules; None for none."""

GENERATED = "generated"
_WORDS = range(6, 36)  # of a sentence: shorter ones say too little, longer ones too much at once
_QUESTION_WORDS = range(4, 25)
_SAME = 0.7  # share of its terms that a question may have in common with one already made
_GAP = "____"
_FACT = re.compile(r"\b(?:\d[\d,.]*\d|\d|[A-Z][\w’'-]+(?: (?:of |the )?[A-Z][\w’'-]+)+)")
_LEANS = frozenset(
    """it he she they we i you this these that those there here such another others one some both each many most few
    first second third also however therefore thus then instead still yet his her its their our your""".split()  # noqa: SIM905
)


def generate(
    passages: Iterable[Passage],
    *,
    count: int,
    words: Set[str],
    said_elsewhere: SaidElsewhere,
    inquire: Inquire = lambda *_: None,
    seed: int = 0,
) -> list[Case]:
    """Up to ``count`` cases, half of them unanswerable where several documents allow it, spread over the documents.

    An unanswerable case is a question made from a document, asked ``without`` it; a sentence whose content is said
    elsewhere is not used for one. ``words`` is a vocabulary of English. Where ``inquire`` has no question, the rules
    make one. The same passages and seed give the same cases, if ``inquire`` does."""
    chance = random.Random(seed)  # noqa: S311 - cases are drawn, nothing is secret
    documents: dict[str, list[tuple[Passage, Sentence]]] = defaultdict(list)
    for passage in passages:
        documents[passage.document.source] += [
            (passage, sentence) for sentence in passage.sentences if _stands_alone(sentence)
        ]
    drawn = list(_in_turns(documents, chance))
    cases: list[Case] = []
    asked: list[Set[str]] = []
    wanted = {True: count - count // 2, False: count // 2 if len(documents) > 1 else 0}
    for passage, sentence in drawn:
        answerable = wanted[True] >= wanted[False]
        if not wanted[answerable]:
            break
        if not answerable and said_elsewhere(passage, sentence):
            answerable = True
            if not wanted[True]:
                continue
        by_rule = _questions(sentence.text, words, chance)[:1]  # one a sentence
        inquired = inquire(passage, sentence)
        for made in [inquired] if inquired else by_rule:
            terms = frozenset(content_terms(made.question))
            if any(len(terms & other) > _SAME * len(terms) for other in asked):
                continue
            asked.append(terms)
            cases.append(_case(made, passage, sentence, answerable, BY_LLM if inquired else ""))
            wanted[answerable] -= 1
    return cases


def _in_turns(
    documents: dict[str, list[tuple[Passage, Sentence]]], chance: random.Random
) -> Iterator[tuple[Passage, Sentence]]:
    """One sentence a document, in random order, and again until all are used."""
    piles = [documents[source] for source in sorted(documents)]
    for pile in piles:
        chance.shuffle(pile)
    while piles := [pile for pile in piles if pile]:
        chance.shuffle(piles)
        yield from [pile.pop() for pile in piles]


def _stands_alone(sentence: Sentence) -> bool:
    """Whether it is prose that can be understood without the sentence before it."""
    text = sentence.text.strip()
    found = re.findall(r"[\w’'-]+", text)
    if sentence.kind != "prose" or not text.endswith(".") or len(found) not in _WORDS:
        return False
    opening = found[0].lower()
    return text[0].isupper() and opening not in _LEANS and (opening not in STOP_WORDS or opening in ("the", "a", "an"))


def _questions(sentence: str, words: Set[str], chance: random.Random) -> list[Made]:
    """Questions that the sentence answers; those put in words before gaps to fill."""
    flat = " ".join(sentence.split())
    made = [one for one in questions(flat, words, chance) if len(one.question.split()) in _QUESTION_WORDS]
    made = [one for one in made if len(content_terms(one.question)) > 2]
    return sorted(made, key=lambda one: not one.answer) or list(_gaps(flat, chance))


def _gaps(sentence: str, chance: random.Random) -> Sequence[Made]:
    """The sentence with a number or a name of several words taken out."""
    facts = [found for found in _FACT.finditer(sentence) if found.start() > 0]
    if not facts:
        return []
    fact = chance.choice(facts)
    return [Made(f"What is missing: {sentence[: fact.start()]}{_GAP}{sentence[fact.end() :]}", fact.group())]


def _case(made: Made, passage: Passage, sentence: Sentence, answerable: bool, how: str) -> Case:
    source = passage.document.source
    named = sha256("\n".join((source, sentence.text, made.question)).encode()).hexdigest()[:10]
    kind = how or ("cloze" if _GAP in made.question else "question")
    if not answerable:
        return Case(f"made-{named}", made.question, False, without=(source,), tags=(GENERATED, kind, "left-out"))
    return Case(
        f"made-{named}",
        made.question,
        True,
        answers=(made.answer,) if made.answer else (),
        evidence=(Evidence(source, sentence.text, start=sentence.start),),
        tags=(GENERATED, kind),
    )
