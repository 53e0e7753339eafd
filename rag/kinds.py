"""What kind of answer a question asks for, and whether a sentence holds one."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["person", "place", "date", "quantity", "amount", "name", "open"]
"""amount: of money, where "free" is an answer. name: of a thing. open: any sentence may answer."""

_PATTERNS: tuple[tuple[Kind, str], ...] = (
        ("amount", r"\bhow much (?:did|does|do|was|is|were|are|money|would|will)\b|\b(?:costs?|price|paid|pay|fee|charged?|compensation|money)\b"),
        ("quantity", r"\bhow (?:many|much|long|old|far|big|large|tall|high|deep|often|fast|heavy|wide)\b"
                     r"|\bwhat (?:is|was|were|are) the (?:number|share|percentage|proportion|rate|size|total|limit)\b"
                     r"|\bwhat (?:number|share|percentage|proportion|port|status|exit code)\b|\bby what factor\b"),
        ("date", r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|time|weekday)\b|\bsince what\b"),
        ("person", r"\bwho(?:se|m)?\b|\b(?:what|which) (?:person|people|leader|official|agency|organi[sz]ation|company|team|country|institute)\b"),
        ("place", r"\bwhere\b|\b(?:what|which) (?:city|cities|town|place|places|location|region|state|village)\b"),
        ("name", r"\b(?:what|which) (?:is|was|are|were) the (?:exact |full |official )?names?\b|\bname of\b|\bnamed\b|\bwhat .* called\b"),
)  # fmt: skip
_ASKS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)

_NUMBER_WORDS = (
    "zero|none|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|"
    "millions?|billions?|dozens?|half|quarter|third|twice|once|double[ds]?|tripled?|both|several|many|few"
)
_NUMBER = re.compile(rf"\d|\b(?:{_NUMBER_WORDS})\b", re.IGNORECASE)
_MONEY = re.compile(
    r"[$€£¥]|\b(?:free|nothing|no (?:charge|payment|cost|compensation|money)|refused|declined|unpaid)\b", re.IGNORECASE
)
_DATE = re.compile(
    r"\b(?:1\d{3}|20\d{2})\b|\b(?:Jan(?:uary)?|Feb(?:ruary)?|March|April|May|June|July|Aug(?:ust)?|Sept?(?:ember)?|"
    r"Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|"
    r"\b(?:century|yesterday|today|tomorrow|ago|last (?:year|month|week)|noon|midnight|decades?)\b|\b\d{1,2}:\d{2}\b"
)
# A capitalised word that is not merely the first of its sentence, or two in a row wherever they stand.
_NAME = re.compile(
    r"(?<=[\w,;:)”’\"'] )[\"“(]?[A-Z][\w’'.-]+|\b[A-Z][\w’'-]+ (?:(?:of|the|for|de|von|van) )*[A-Z][\w’'-]+|\b[A-Z]{2,}\b"
)


def kind_of(question: str) -> Kind:
    """The kind of answer asked for, by the question's own words.

    >>> kind_of("When was the harbour opened?")
    'date'
    """
    for kind, pattern in _ASKS:
        if pattern.search(question):
            return kind
    return "open"


def holds(kind: Kind, sentence: str, question_words: frozenset[str]) -> bool:
    """Whether ``sentence`` has something of this kind that is not in the question already (lower-case words)."""
    if kind == "open":
        return True
    if kind == "amount" and _MONEY.search(sentence):
        return True
    pattern = {"amount": _NUMBER, "quantity": _NUMBER, "date": _DATE}.get(kind, _NAME)
    return any(_is_new(found.group(), question_words) for found in pattern.finditer(sentence))


def _is_new(found: str, question_words: frozenset[str]) -> bool:
    words = re.findall(r"\w+", found.lower())
    return not words or any(word not in question_words for word in words)
