"""How the words of a claim lie in the text that is to bear it out: which are there, which are not, and what differs.

Words are compared by stem, numbers by value ("13 thousand" is 13,000), names by their letters. No model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from index.lexical import STOP_WORDS, terms

_WORD = re.compile(r"\d[\d,]*(?:\.\d+)?|[^\W\d_]+(?:['’-][^\W\d_]+)*|%|[$€£]")
_WINDOW = 3  # sentences that are looked at together
_LIKELY = 4  # sentences among which the one most like the claim is sought
_SHARED = 4  # letters that two words of one stem begin with
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
           "k": 1e3, "m": 1e6, "mn": 1e6, "bn": 1e9, "b": 1e9}  # fmt: skip
_COUNTED = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty"""
_NUMBERS = {word: float(value) for value, word in enumerate(_COUNTED.split())} | {
    "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "seventy": 70.0, "eighty": 80.0, "ninety": 90.0,
    "dozen": 12.0, "once": 1.0, "twice": 2.0, "first": 1.0, "second": 2.0, "third": 3.0, "fourth": 4.0, "fifth": 5.0,
    "half": 0.5,
}  # fmt: skip
_DENIALS = frozenset(
    """not no never none nobody nothing neither nor without cannot n't isn't aren't wasn't weren't don't doesn't didn't
    won't wouldn't can't couldn't hasn't haven't hadn't shouldn't unable fail fails failed denies denied deny refused
    rejected""".split()  # noqa: SIM905
)
_OPPOSED = (
    "increase rise rose risen grow grew grown gain climb|decrease fall fell fallen drop decline shrink shrank",
    "more higher greater above over up exceed|less fewer lower below under down",
    "before earlier|after later",
    "first|last",
    "win won victory beat|lose lost defeat",
    "open opened|close closed shut",
    "accept approve support back allow|reject refuse oppose ban forbid",
    "north northern|south southern",
    "east eastern|west western",
    "male man men he his him boy father husband son|female woman women she her girl mother wife daughter",
    "buy bought|sell sold",
    "begin start began|end stop finish",
    "always all every|never none",
    "success succeed successful|failure fail unsuccessful",
    "largest biggest most best highest|smallest least worst lowest",
    "old older|new young younger",
    "public|private",
    "free|paid",
    "early|late",
    "major|minor",
    "positive|negative",
    "guilty convicted|innocent acquitted",
    "alive survived|dead died killed",
)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Shares are in [0, 1]; ``in`` the few sentences that bear the claim out best, unless it says otherwise."""

    sentences: tuple[int, ...]  # which of the evidence these are, ascending
    quoted: bool  # the claim stands in the evidence, white space, case and marks aside
    covered_by_one: float  # share of the claim's words in the best single sentence
    covered: float  # in them together
    covered_anywhere: float
    pairs: float  # share of its neighbouring words that stand near each other
    copied: float  # share of the claim's words that stand in the sentence most like it in the same order
    differing: tuple[str, ...]  # numbers and names that this sentence does not hold
    denied: bool  # one of it and the claim denies and the other does not
    opposed: tuple[str, str] | None  # a word of the claim, and its opposite that they hold instead
    missing: tuple[str, ...]  # words of the claim that found no support, as written, in order
    missing_numbers: tuple[str, ...]
    missing_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    key: str  # what it is matched by; "" where it says nothing by itself
    number: float | None
    name: bool

    @property
    def is_fact(self) -> bool:
        return self.name or self.number is not None


def stands_in(claim: str, evidence: Sequence[str]) -> bool:
    """Whether the claim's words stand in the text one after the other; case and marks do not matter."""
    return bool(_flat(claim)) and f" {_flat(claim)} " in f" {_flat(' '.join(evidence))} "


def align(claim: str, evidence: Sequence[str]) -> Alignment:
    """``evidence`` are the sentences of the text, in order."""
    words = _words(claim)
    telling = [word for word in words if word.key]
    texts = [_words(sentence) for sentence in evidence]
    kept = [_Kept.of(text) for text in texts]
    held = [[one.holds(word) for word in telling] for one in kept]  # (n_sentences, n_words) bool
    chosen = _best_few(held)
    together = [any(held[i][j] for i in chosen) for j in range(len(telling))]
    anywhere = [any(row[j] for row in held) for j in range(len(telling))]
    lost = [word for word, ok in zip(telling, together, strict=True) if not ok]
    alike, copied = _most_alike(words, texts, held)
    return Alignment(
        sentences=tuple(sorted(chosen)),
        quoted=stands_in(claim, evidence),
        covered_by_one=max((_share(row) for row in held), default=0.0),
        covered=_share(together),
        covered_anywhere=_share(anywhere),
        pairs=_pairs(telling, [[word for word in texts[i] if word.key] for i in sorted(chosen)]),
        copied=copied,
        differing=tuple(
            word.text
            for word in telling
            if alike and (word.name or word.number is not None) and not kept[alike[0]].holds(word)
        ),
        denied=bool(alike) and _denies(words) != _denies(texts[alike[0]]),
        opposed=_opposed(words, [word for i in chosen for word in texts[i]]),
        missing=tuple(word.text for word in lost),
        missing_numbers=tuple(word.text for word in lost if word.number is not None),
        missing_names=tuple(word.text for word in lost if word.name),
    )


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else 0.0


def _most_alike(
    claim: Sequence[_Word], texts: Sequence[Sequence[_Word]], held: Sequence[Sequence[bool]]
) -> tuple[tuple[int, ...], float]:
    """The sentence that has the longest part of the claim in order, of the few that share most with it; () for none."""
    likely = sorted(range(len(texts)), key=lambda i: (-sum(held[i]), i))[:_LIKELY]
    ours = [word.text.lower() for word in claim]
    shares = {i: common_subsequence(ours, [word.text.lower() for word in texts[i]]) / max(1, len(ours)) for i in likely}
    best = max(likely, key=lambda i: (shares[i], -i), default=None)
    return ((best,), shares[best]) if best is not None else ((), 0.0)


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence of two lists of tokens."""
    best = [0] * (len(b) + 1)  # best[j]: of what was read of a, and b[:j]
    for one in a:
        diagonal = 0
        for j, other in enumerate(b, start=1):
            diagonal, best[j] = best[j], diagonal + 1 if one == other else max(best[j], best[j - 1])
    return best[-1]


def _best_few(held: Sequence[Sequence[bool]]) -> list[int]:
    """Sentences that together hold the most words, taken one by one while each adds some."""
    chosen: list[int] = []
    have = [False] * (len(held[0]) if held else 0)
    while len(chosen) < _WINDOW:
        gains = [sum(ok and not had for ok, had in zip(row, have, strict=True)) for row in held]
        best = max(range(len(held)), key=lambda i: (gains[i], -i), default=None)
        if best is None or not gains[best]:
            break
        chosen.append(best)
        have = [had or ok for had, ok in zip(have, held[best], strict=True)]
    return chosen


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    tokens = [match.group() for match in _WORD.finditer(text)]
    for i, token in enumerate(tokens):
        low = _plain(token).removesuffix("'s")
        number = _number(token, tokens[i + 1] if i + 1 < len(tokens) else "")
        if low in _SCALES and found and found[-1].number is not None and i:
            continue  # the word before took it in
        telling = number is not None or (low not in STOP_WORDS and low not in _DENIALS and any(map(str.isalnum, low)))
        name = token[0].isupper() and i > 0 and number is None
        found.append(_Word(token, _stem(low) if telling else "", number, name and telling))
    return found


def _plain(token: str) -> str:
    return token.lower().replace("’", "'")


def _number(token: str, following: str) -> float | None:
    if token[0].isdecimal():
        value = float(token.replace(",", "").rstrip("."))
    elif token.lower() in _NUMBERS:
        value = _NUMBERS[token.lower()]
    else:
        return None
    return value * _SCALES.get(following.lower(), 1.0)


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    return " ".join(terms(word)) or word


@dataclass(frozen=True, slots=True)
class _Kept:
    """The words of a sentence, ready to be looked up."""

    keys: frozenset[str]
    beginnings: dict[str, list[str]]  # first letters -> keys
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, words: Sequence[_Word]) -> _Kept:
        beginnings: dict[str, list[str]] = {}
        keys = frozenset(word.key for word in words if word.key and word.number is None)
        for key in keys:
            beginnings.setdefault(key[:_SHARED], []).append(key)
        return cls(keys, beginnings, tuple(word.number for word in words if word.number is not None))

    def holds(self, word: _Word) -> bool:
        if word.number is not None:
            return any(_same_number(number, word.number) for number in self.numbers)
        return word.key in self.keys or any(_same(key, word.key) for key in self.beginnings.get(word.key[:_SHARED], ()))


def _same_number(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1.0)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _SHARED and longer.startswith(shorter) and len(longer) - len(shorter) <= _SHARED


def _pairs(claim: Sequence[_Word], sentences: Sequence[Sequence[_Word]]) -> float:
    """Share of the neighbouring words of the claim that stand within two words of each other, in their order."""
    pairs = list(pairwise(claim))
    return (
        sum(any(_has_pair(sentence, *pair) for sentence in sentences) for pair in pairs) / len(pairs) if pairs else 1.0
    )


def _has_pair(sentence: Sequence[_Word], one: _Word, other: _Word) -> bool:
    firsts = [i for i, word in enumerate(sentence) if _alike(word, one)]
    return any(_alike(word, other) for i in firsts for word in sentence[i + 1 : i + 3])


def _alike(one: _Word, other: _Word) -> bool:
    if one.number is not None or other.number is not None:
        return one.number is not None and other.number is not None and _same_number(one.number, other.number)
    return _same(one.key, other.key)


def _denies(words: Sequence[_Word]) -> bool:
    return (
        sum(
            word.text.lower().replace("’", "'") in _DENIALS or word.text.lower().endswith(("n't", "n’t"))
            for word in words
        )
        % 2
        == 1
    )


def _opposed(claim: Sequence[_Word], evidence: Sequence[_Word]) -> tuple[str, str] | None:
    for sides in _sides():
        for one, other in (sides, sides[::-1]):
            ours, theirs = _first(claim, one), _first(evidence, other)
            if ours and theirs and not _first(claim, other) and not _first(evidence, one):
                return ours, theirs
    return None


def _first(words: Sequence[_Word], side: frozenset[str]) -> str:
    return next((word.text for word in words if word.text.lower() in side or word.key in side), "")


@lru_cache(maxsize=1)
def _sides() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    def side(words: str) -> frozenset[str]:
        return frozenset(words.split()) | frozenset(_stem(word) for word in words.split())

    return tuple((side(left), side(right)) for left, right in (pair.split("|") for pair in _OPPOSED))


def _flat(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
