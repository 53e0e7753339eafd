"""One thing changed in a true sentence, so that it is no longer true: a number, a year, a negation, a name."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w])")
_WORDS = tuple(
    "two three four five six seven eight nine ten eleven twelve twenty hundred thousand million".split()  # noqa: SIM905
)
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_AUXILIARY = re.compile(r"\b(is|was|are|were|has|had|have|can|could|will|would|did|does|do|should|may|might)\b")
_NEGATED = re.compile(r"\b(?:not|never)\s+|n't\b")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w-]+(?: [A-Z][\w-]+)*")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_OPPOSITES = {
    "increase": "decrease", "increased": "decreased", "rose": "fell", "rise": "fall", "more": "less", "higher": "lower",
    "first": "last", "largest": "smallest", "before": "after", "won": "lost", "north": "south",
    "east": "west", "northern": "southern", "eastern": "western", "older": "younger", "early": "late", "best": "worst",
    "male": "female",
    "success": "failure", "successful": "unsuccessful", "accepted": "refused", "above": "below", "major": "minor",
    "most": "least", "always": "never", "all": "none", "support": "oppose", "supported": "opposed", "old": "new",
    "positive": "negative", "public": "private", "free": "paid", "open": "closed", "over": "under", "up": "down",
}  # fmt: skip
_OPPOSITES |= {other: one for one, other in _OPPOSITES.items()}
_OPPOSITE = re.compile(rf"\b(?:{'|'.join(sorted(_OPPOSITES, key=len, reverse=True))})\b")


def falsified(sentence: str, names: Sequence[str], chance: random.Random) -> str:
    """``sentence`` with one change that makes it say something else; "" where there is nothing to change.

    ``names`` are names from elsewhere, one of which may take the place of one of the sentence's own."""
    return _changed(sentence, [*_things(names), _negation], chance)


def mistaken(question: str, names: Sequence[str], chance: random.Random) -> str:
    """``question`` with one change that makes it ask for something else; "" where there is nothing to change."""
    return _changed(question, _things(names), chance)


_Change = Callable[[str, random.Random], str]


def _things(names: Sequence[str]) -> list[_Change]:
    return [_number, _number_word, _month, _opposite, lambda text, chance: _name(text, names, chance)]


def _changed(text: str, changes: list[_Change], chance: random.Random) -> str:
    """``text`` after the first of ``changes``, in random order, that finds something in it to change."""
    for change in chance.sample(changes, len(changes)):
        changed = change(text, chance)
        if changed and changed != text:
            return changed
    return ""


def names_in(sentence: str) -> list[str]:
    """Capitalised words inside the sentence, runs of them as one."""
    return [found.group() for found in _NAME.finditer(sentence)]


def _swap(pattern: re.Pattern[str], text: str, chance: random.Random, change: Callable[[str], str]) -> str:
    places = list(pattern.finditer(text))
    if not places:
        return ""
    place = chance.choice(places)
    return text[: place.start()] + change(place.group()) + text[place.end() :]


def _number(text: str, chance: random.Random) -> str:
    def change(found: str) -> str:
        plain = found.replace(",", "")
        if "." in plain:
            return f"{float(plain) * chance.choice((0.5, 1.3, 2, 10)):.{len(plain.split('.')[1])}f}"
        value = int(plain)
        if 1000 <= value <= 2100 and "," not in found:  # most likely a year
            return str(value + chance.choice((-20, -10, -7, -3, -2, -1, 1, 2, 3, 7, 10)))
        new = max(0, chance.choice((value + 1, value - 1, value * 2, value * 10, value // 2, value + 10, value // 10)))
        return f"{new:,}" if "," in found or value > 9999 else str(new if new != value else value + 3)

    return _swap(_NUMBER, text, chance, change)


def _number_word(text: str, chance: random.Random) -> str:
    return _swap(
        _NUMBER_WORD, text, chance, lambda found: chance.choice([word for word in _WORDS if word != found.lower()])
    )


def _negation(text: str, chance: random.Random) -> str:
    if _NEGATED.search(text):
        return _NEGATED.sub("", text, count=1)
    return _swap(_AUXILIARY, text, chance, lambda found: f"{found} not")


def _month(text: str, chance: random.Random) -> str:
    months = re.compile(rf"\b(?:{'|'.join(_MONTHS)})\b")
    return _swap(months, text, chance, lambda found: chance.choice([month for month in _MONTHS if month != found]))


def _opposite(text: str, chance: random.Random) -> str:
    return _swap(_OPPOSITE, text, chance, lambda found: _OPPOSITES[found])


def _name(text: str, names: Sequence[str], chance: random.Random) -> str:
    others = [name for name in names if name not in text]
    return _swap(_NAME, text, chance, lambda _: chance.choice(others)) if others else ""
