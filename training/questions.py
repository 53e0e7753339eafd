"""A true claim turned into a question that it answers, by rule: "X was born in 1954." -> "When was X born?"

Crude on purpose: the questions are training data for a reader, and a reader has to bear crude questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Set
from dataclasses import dataclass

_AUX = frozenset(
    {"is", "was", "are", "were", "has", "had", "have", "can", "could", "will", "would", "did", "does", "do"}
)
_IRREGULAR = {
    "won": "win", "wrote": "write", "sang": "sing", "began": "begin", "became": "become", "made": "make",
    "took": "take", "gave": "give", "came": "come", "went": "go", "left": "leave", "lost": "lose", "led": "lead",
    "held": "hold", "had": "have", "sold": "sell", "bought": "buy", "built": "build", "beat": "beat", "met": "meet",
    "ran": "run", "grew": "grow", "drew": "draw", "fought": "fight", "felt": "feel", "found": "find", "got": "get",
    "kept": "keep", "knew": "know", "said": "say", "told": "tell", "taught": "teach", "thought": "think",
    "spoke": "speak", "spent": "spend", "stood": "stand", "sent": "send", "set": "set", "rose": "rise",
    "fell": "fall", "broke": "break", "brought": "bring", "chose": "choose", "did": "do", "ate": "eat",
    "drove": "drive", "starred": "star", "flew": "fly", "hit": "hit", "put": "put", "sat": "sit",
    "wore": "wear", "shot": "shoot",
}  # fmt: skip
_THIRD = {
    "has": "have", "plays": "play", "stars": "star", "contains": "contain", "features": "feature", "lives": "live",
    "works": "work", "includes": "include", "follows": "follow", "takes": "take", "belongs": "belong",
    "appears": "appear", "tells": "tell", "makes": "make", "uses": "use", "speaks": "speak", "holds": "hold",
    "owns": "own", "lies": "lie", "consists": "consist", "writes": "write", "sings": "sing", "hosts": "host",
}  # fmt: skip
_PEOPLE = frozenset(
    """actor actress singer rapper musician player politician director producer writer author president footballer
    comedian model dancer king queen prince wrestler boxer poet painter scientist lawyer businessman songwriter
    screenwriter born married children daughter son wife husband mother father he she his her film-maker coach
    performer artist person man woman citizen""".split()  # noqa: SIM905
)
_PREPOSITIONS = frozenset({"in", "with", "for", "as", "on", "to", "from", "by", "against", "of", "into", "about"})
_DATE = re.compile(
    r"\s*,?\s*\b(?P<prep>in|on|during|since|by) (?P<date>(?:the )?(?:January|February|March|April|May|June|July|August|"
    r"September|October|November|December)?\s?(?:\d{1,2}(?:st|nd|rd|th)?,? )?(?:1[0-9]{3}|20\d{2})s?)\b"
)
_PLACE = re.compile(r"\s*,?\s*\b(?P<prep>in|at|from) (?P<place>(?:the )?[A-Z][\w.-]+(?:,? (?:of )?[A-Z][\w.-]+)*)")
_BY = re.compile(r"\s+by (?P<who>(?:the )?[A-Z][\w.'-]+(?: (?:of |the |and )*[A-Z][\w.'-]+)*)")
_NUMBER = re.compile(
    r"\b(?P<number>\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|multiple) "
    r"(?P<noun>(?:[a-z-]+ )?[a-z-]{3,}s)\b"
)
_ROLE = re.compile(r"\b(?P<article>an|a|the) (?P<what>[a-z][\w-]*(?: [\w-]+){0,3})")


@dataclass(frozen=True, slots=True)
class _Claim:
    subject: str
    verb: str
    rest: str  # after the verb, without the full stop
    person: bool

    @property
    def who(self) -> str:
        return "Who" if self.person else "What"


def subject_of(claim: str) -> str:
    """The name a claim begins with; "" when it cannot be told."""
    taken = _take(claim)
    return taken.subject if taken else ""


def questions(claim: str, words: Set[str], chance: random.Random) -> list[str]:
    """Questions that ``claim`` answers, in random order. ``words`` is a vocabulary by which base forms are checked."""
    taken = _take(claim)
    if taken is None or "not" in taken.rest.split() or "only" in taken.rest.split():
        return []
    made = [
        made for ask in (_when, _where, _by_whom, _how_many, _what_is, _subject, _object) if (made := ask(taken, words))
    ]
    chance.shuffle(made)
    return [" ".join(question.split()).replace(" ?", "?") for question in made]


def _take(claim: str) -> _Claim | None:
    tokens = claim.strip().rstrip(".").split()
    for i, token in enumerate(tokens):
        if i == 0:
            continue
        if token in _AUX or token in _IRREGULAR or token in _THIRD or (token.endswith("ed") and token.islower()):
            if i > 8 or i == len(tokens) - 1:
                return None
            rest = " ".join(tokens[i + 1 :])
            person = bool(_PEOPLE & {word.strip(",").lower() for word in tokens})
            return _Claim(" ".join(tokens[:i]), token, rest, person)
    return None


def _base(verb: str, words: Set[str]) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb in _THIRD:
        return _THIRD[verb]
    stem = verb[:-2]
    tries = [
        stem,
        stem + "e",
        stem[:-1] if stem[-1:] == stem[-2:-1] else "",
        stem[:-1] + "y" if verb.endswith("ied") else "",
    ]
    if verb[-3:-2] in "cgvzu" or verb.endswith(("ated", "ired", "osed", "used", "ared", "ured", "ined")):
        tries[0], tries[1] = tries[1], tries[0]
    return next((one for one in tries if one and one in words), "")


def _asked(word: str, claim: _Claim, rest: str, words: Set[str]) -> str:
    """``word`` before the claim's own words, put as a question; "" when the verb cannot be turned."""
    if claim.verb in _AUX and not (claim.verb in ("has", "had", "have") and _is_object(claim)):
        return f"{word} {claim.verb} {claim.subject} {rest}?"
    base = _base(claim.verb, words)
    helper = "does" if claim.verb in _THIRD else "did"
    return f"{word} {helper} {claim.subject} {base} {rest}?" if base else ""


def _is_object(claim: _Claim) -> bool:
    first = claim.rest.split()[0]
    return not (first.endswith(("ed", "en", "wn")) or first in ("been", "won", "made", "sold", "had", "not", "never"))


def _when(claim: _Claim, words: Set[str]) -> str:
    found = _DATE.search(" " + claim.rest)
    if not found:
        return ""
    rest = (" " + claim.rest)[: found.start()] + (" " + claim.rest)[found.end() :]
    return _asked("When", claim, rest.strip(), words)


def _where(claim: _Claim, words: Set[str]) -> str:
    found = _PLACE.search(" " + claim.rest)
    if not found or not _has(
        claim.rest,
        (
            "born",
            "located",
            "set",
            "filmed",
            "lives",
            "grew",
            "held",
            "based",
            "died",
            "raised",
            "situated",
            "found",
            "took",
            "place",
            "played",
            "works",
        ),
    ):
        return ""
    rest = (" " + claim.rest)[: found.start()] + (" " + claim.rest)[found.end() :]
    return _asked("Where", claim, rest.strip(), words)


def _has(rest: str, some: tuple[str, ...]) -> bool:
    return bool(set(rest.split()) & set(some))


def _by_whom(claim: _Claim, _: Set[str]) -> str:
    found = _BY.search(" " + claim.rest)
    if not found or claim.verb not in _AUX:
        return ""
    rest = (" " + claim.rest)[: found.start()] + (" " + claim.rest)[found.end() :]
    first, _blank, others = rest.strip().partition(" ")
    if not others and claim.verb in ("was", "were", "is", "are") and first.endswith(("ed", "en")):
        return f"Who {first} {claim.subject}?" if first.endswith("ed") else f"Who was {claim.subject} {first} by?"
    return f"Who {claim.verb} {claim.subject} {rest.strip()} by?"


def _how_many(claim: _Claim, words: Set[str]) -> str:
    found = _NUMBER.search(claim.rest)
    if not found:
        return ""
    rest = claim.rest[: found.start()] + claim.rest[found.end() :]
    return _asked(f"How many {found['noun']}", claim, rest, words)


def _what_is(claim: _Claim, _: Set[str]) -> str:
    if claim.verb not in ("is", "was", "are", "were") or claim.rest.split()[0] not in ("a", "an", "the"):
        return ""
    return f"{claim.who} {claim.verb} {claim.subject}?"


def _subject(claim: _Claim, _: Set[str]) -> str:
    words_left = claim.rest.split()
    generic = claim.verb in ("is", "was", "are", "were") and words_left[0] in ("a", "an")
    if len(words_left) < (6 if generic else 2):  # "What is a drama?" asks for something else
        return ""
    verb = {"are": "is", "were": "was", "have": "has"}.get(claim.verb, claim.verb)
    return f"{claim.who} {verb} {claim.rest}?"


def _object(claim: _Claim, words: Set[str]) -> str:
    if claim.verb in ("is", "was", "are", "were"):
        found = _ROLE.search(claim.rest)
        head = claim.rest.split()[0]
        if found and head.endswith("ed") and found.start() > 0:  # "was named the best film" -> "What was X named?"
            return f"What {claim.verb} {claim.subject} {claim.rest[: found.start()].strip()}?"
        return ""
    if claim.verb in ("can", "could", "will", "would") or (claim.verb in _AUX and not _is_object(claim)):
        return ""
    first = claim.rest.split()[0]
    if first in ("at", "up", "out", "off", "back") or first.endswith("ly"):
        return ""
    return _asked("What", claim, first if first in _PREPOSITIONS else "", words)
