"""A true sentence turned into questions that it answers, by rule: "X was born in 1954." -> "When was X born?"

No model and no parser: a sentence whose subject, verb and rest cannot be told apart gives no question. The rules are
for English. Suites are generated with them, and training/ makes the reader's practice questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Set
from dataclasses import dataclass

_AUX = frozenset("is was are were has had have can could will would".split())  # noqa: SIM905 - as a list it is longer
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
    r"\b(?:(?:the|over|about|some|nearly|almost|roughly|around|more than|at least|fewer than|less than|up to) )?"
    r"(?P<number>\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|multiple) "
    r"(?P<noun>(?:[a-z-]+ )?[a-z-]{3,}s)\b"
)
_PLACED = frozenset(
    "born located set filmed lives grew held based died raised situated found took place played works".split()  # noqa: SIM905
)
_ROLE = re.compile(r"\b(?P<article>an|a|the) (?P<what>[a-z][\w-]*(?: [\w-]+){0,3})")


# Where a further thought begins; a question goes no further.
_CLAUSE = re.compile(
    r"\s*(?:[;:—]|,\s+(?:which|who|where|when|and|but|because|although|though|so|while|whereas|according|as|among|\w+ing)"
    r"\b|\s(?:because|although|whereas|according to|so that)\b).*$",
    re.DOTALL,
)
_LINKS = frozenset({"that", "which", "who", "whose", "where", "when", "and", "or"})
_MAX_SUBJECT = 9  # words


@dataclass(frozen=True, slots=True)
class Made:
    """A question, and what answers it: words of the sentence it was made from, "" where all of the sentence does."""

    question: str
    answer: str = ""


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
    """What a claim begins with, before its verb; "" when it cannot be told."""
    taken = _take(claim)
    return taken.subject if taken else ""


def questions(claim: str, words: Set[str], chance: random.Random) -> list[Made]:
    """Questions that ``claim`` answers, in random order. ``words`` is a vocabulary by which base forms are checked."""
    taken = _take(_CLAUSE.sub("", claim.strip()))
    if taken is None or {"not", "only", "never"} & set(taken.rest.split()):
        return []
    tries = (ask(taken, words) for ask in (_when, _where, _by_whom, _how_many, _what_is, _subject, _object))
    made = [Made(" ".join(one.question.split()).replace(" ?", "?"), one.answer) for one in tries if one]
    chance.shuffle(made)
    return made


def _take(claim: str) -> _Claim | None:
    tokens = claim.strip().rstrip(".").split()
    verbs = [i for i, token in enumerate(tokens) if i and _is_verb(token)]
    if not verbs:
        return None
    at = verbs[0]
    if tokens[at].endswith("ed"):  # "soldiers wounded in the war have gone": the participle is part of the subject
        later = [i for i in verbs[1:] if tokens[i] in _AUX and not _LINKS & set(tokens[at:i])]
        at = later[0] if later else at
    if at >= _MAX_SUBJECT or at == len(tokens) - 1 or _LINKS & set(tokens[1:at]):
        return None
    person = bool(_PEOPLE & {word.strip(",").lower() for word in tokens})
    return _Claim(_uncapitalised(tokens[:at]), tokens[at], " ".join(tokens[at + 1 :]), person)


def _is_verb(token: str) -> bool:
    return token in _AUX or token in _IRREGULAR or token in _THIRD or (token.endswith("ed") and token.islower())


def _uncapitalised(subject: list[str]) -> str:
    """The subject as it stands inside a sentence: articles and number words lose their capital."""
    first, *others = subject
    lowered = first.lower() in ("the", "a", "an", "its", "their", "his", "her", "most", "some", "all", "both")
    return " ".join((first.lower() if lowered else first, *others))


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


def _asked(word: str, claim: _Claim, rest: str, words: Set[str], answer: str = "") -> Made | None:
    """``word`` before the claim's own words, put as a question; None when the verb cannot be turned."""
    if claim.verb in _AUX and not (claim.verb in ("has", "had", "have") and _is_object(claim)):
        return Made(f"{word} {claim.verb} {claim.subject} {rest}?", answer)
    base = _base(claim.verb, words)
    helper = "does" if claim.verb in _THIRD else "did"
    return Made(f"{word} {helper} {claim.subject} {base} {rest}?", answer) if base else None


def _is_object(claim: _Claim) -> bool:
    first = claim.rest.split()[0]
    return not (first.endswith(("ed", "en", "wn")) or first in ("been", "won", "made", "sold", "had", "not", "never"))


def _when(claim: _Claim, words: Set[str]) -> Made | None:
    found = _DATE.search(" " + claim.rest)
    if not found:
        return None
    rest = (" " + claim.rest)[: found.start()] + (" " + claim.rest)[found.end() :]
    return _asked("When", claim, rest.strip(), words, found["date"].removeprefix("the "))


def _where(claim: _Claim, words: Set[str]) -> Made | None:
    found = _PLACE.search(" " + claim.rest)
    if not found or not _PLACED & set(claim.rest.split()):
        return None
    rest = (" " + claim.rest)[: found.start()] + (" " + claim.rest)[found.end() :]
    return _asked("Where", claim, rest.strip(), words, found["place"])


def _by_whom(claim: _Claim, _: Set[str]) -> Made | None:
    found = _BY.search(" " + claim.rest)
    if not found or claim.verb not in _AUX:
        return None
    rest = (" " + claim.rest)[: found.start()] + (" " + claim.rest)[found.end() :]
    first, _blank, others = rest.strip().partition(" ")
    if not others and claim.verb in ("was", "were", "is", "are") and first.endswith(("ed", "en")):
        asked = f"Who {first} {claim.subject}?" if first.endswith("ed") else f"Who was {claim.subject} {first} by?"
        return Made(asked, found["who"])
    return Made(f"Who {claim.verb} {claim.subject} {rest.strip()} by?", found["who"])


def _how_many(claim: _Claim, words: Set[str]) -> Made | None:
    found = _NUMBER.search(claim.rest)
    if not found:
        return None
    rest = claim.rest[: found.start()] + claim.rest[found.end() :]
    return _asked(f"How many {found['noun']}", claim, rest, words, found["number"])


def _what_is(claim: _Claim, _: Set[str]) -> Made | None:
    if claim.verb not in ("is", "was", "are", "were") or claim.rest.split()[0] not in ("a", "an", "the"):
        return None
    return Made(f"{claim.who} {claim.verb} {claim.subject}?")


def _subject(claim: _Claim, _: Set[str]) -> Made | None:
    words_left = claim.rest.split()
    generic = claim.verb in ("is", "was", "are", "were") and words_left[0] in ("a", "an")
    if len(words_left) < (6 if generic else 2):  # "What is a drama?" asks for something else
        return None
    verb = {"are": "is", "were": "was", "have": "has"}.get(claim.verb, claim.verb)
    return Made(f"{claim.who} {verb} {claim.rest}?", claim.subject)


def _object(claim: _Claim, words: Set[str]) -> Made | None:
    if claim.verb in ("is", "was", "are", "were"):
        found = _ROLE.search(claim.rest)
        head = claim.rest.split()[0]
        if found and head.endswith("ed") and found.start() > 0:  # "was named the best film" -> "What was X named?"
            return Made(f"What {claim.verb} {claim.subject} {claim.rest[: found.start()].strip()}?")
        return None
    if claim.verb in ("can", "could", "will", "would") or (claim.verb in _AUX and not _is_object(claim)):
        return None
    first = claim.rest.split()[0]
    if first in ("at", "up", "out", "off", "back") or first.endswith("ly"):
        return None
    return _asked("What", claim, first if first in _PREPOSITIONS else "", words)
