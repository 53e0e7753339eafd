"""What kind of answer a question asks for, and whether a sentence holds one."""

from __future__ import annotations

import re
from typing import Literal

from index.lexical import STOP_WORDS

Kind = Literal["person", "place", "date", "quantity", "amount", "name", "open"]
"""amount: of money, where "free" is an answer. name: of a thing. open: any sentence may answer."""

# Where a question word asks, and does not merely join a clause ("the soldiers who were hurt"): at the start, after a
# preposition or a conjunction, or as the very last word.
_ASKING = r"(?:^\W*|(?:\b(?:and|but|or|so|in|at|to|from|by|for|of|with|on|since|until|about|is|was|,) |, ))"

_NOUNS_OF_PEOPLE = (
    "person|people|leader|official|agency|agencies|organi[sz]ation|company|companies|team|country|countries|institute|"
    "president|king|queen|player|artist|singer|band|actor|actress|author|writer|group|party|analysts?|experts?"
)
_NOUNS_OF_PLACE = "city|cities|towns?|places?|locations?|regions?|states?|villages?|counties|county|continents?"
_NOUNS_OF_NUMBER = "number|share|percentage|proportion|rate|size|total|limit|port|status|exit code|population|average"

_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("name", r"\bnames? (?:is|are|was|were|of)\b|\bnamed\?*$|\bwhat\b.* called\?*$|^\W*name\b"),
    (
        "amount",
        r"(?<!by )\bhow (?:much (?:did|does|do|was|is|were|are|money|would|will)|expensive|costly)\b"
        r"|\b(?:costs?|price|prices|priced|paid|pays?|fees?|charged?|compensation|money|salary|wages?|bill(?:ed)?)\b",
    ),
    (
        "quantity",
        r"\bhow (?:many|much|long|old|far|big|large|tall|high|deep|often|fast|heavy|wide|strong)\b"
        r"|\bby (?:what factor|how much)\b"
        rf"|\bwhat (?:is|was|were|are) the (?:\w+ )?(?:{_NOUNS_OF_NUMBER})\b|\bwhat (?:{_NOUNS_OF_NUMBER})\b",
    ),
    (
        "date",
        rf"{_ASKING}when\b|\b(?:what|which) (?:year|date|day|month|century|time|weekday|decade)s?\b|\bwhen\W*$",
    ),
    ("person", rf"{_ASKING}who(?:se|m)?\b|\bwho\W*$|\b(?:what|which) (?:\w+ )?(?:{_NOUNS_OF_PEOPLE})\b"),
    ("place", rf"{_ASKING}where\b|\bwhere\W*$|\b(?:what|which) (?:\w+ )?(?:{_NOUNS_OF_PLACE})\b"),
)
_ASKS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)

_NUMBER_WORDS = (
    "zero|none|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|"
    "millions?|billions?|dozens?|half|quarter|third|twice|once|double[ds]?|tripled?|both|several|many|few"
)
# A bare year counts nothing.
_NUMBER = re.compile(rf"(?<![\d.,])(?!(?:1[5-9]|20)\d\d\b(?![.,]\d))\d[\d.,]*|\b(?:{_NUMBER_WORDS})\b", re.IGNORECASE)
# A sum of money, or a word that says there was none.
_MONEY = re.compile(
    r"[$€£¥]|\b(?:dollars?|euros?|pounds?|francs?|yen|yuan|crowns?|rubles?|roubles?|cents?|free|for nothing|unpaid|"
    r"no (?:charge|payment|cost|compensation|money)|"
    r"(?:refus|declin|reject|waiv)\w+ (?:\w+ )?(?:compensation|payment|money))\b"
    r"|\b(?:costs?|price|prices?|paid|fees?|charged?|worth|salary|wages?)\b.*\d|\d.*\b(?:costs?|price|paid|fees?|worth)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1\d{3}|20\d{2})s?\b|\b(?:Jan(?:uary)?|Feb(?:ruary)?|March|April|May|June|July|Aug(?:ust)?|Sept?(?:ember)?|"
    r"Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b|"
    r"\b(?:century|yesterday|today|tomorrow|ago|(?:last|next|this) (?:year|month|week)|noon|midnight|decades?)\b|"
    r"\b\d{1,2}:\d{2}\b"
)
_MONTH = (
    r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|March|April|May|June|July|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\b"
)
_DATE_BY_UNIT = {
    "month": re.compile(_MONTH),
    "weekday": re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b"),
    "year": re.compile(r"\b(?:1\d{3}|20\d{2})s?\b|\b(?:last|this|next) year\b|\byears? ago\b"),
}
# A capitalised word that is not merely the first of its sentence, or two in a row wherever they stand.
_NAME = re.compile(
    r"(?<=[\w,;:)”’\"'] )[\"“(]?[A-Z][\w’'.-]+|\b[A-Z][\w’'-]+ (?:(?:of|the|for|de|von|van) )*[A-Z][\w’'-]+"
    r"|\b[A-Z]{2,}\b"
)
# Someone: a name of several words, initials, a title before a name, or a name that speaks. "Ukraine" alone is no one.
_SOMEONE = re.compile(
    r"\b[A-Z][\w’'-]+ (?:(?:of|the|for|de|von|van) )*[A-Z][\w’'-]+|\b[A-Z]{2,}\b"
    r"|\b(?:Mr|Mrs|Ms|Dr|Prof)\.? [A-Z][\w’'-]+"
    r"|\b[A-Z][\w’'-]+ (?:said|says|told|wrote|writes|announced|claimed|argued|explained|reported)\b"
)
_HOLDS = {"amount": _MONEY, "quantity": _NUMBER, "date": _DATE, "person": _SOMEONE, "place": _NAME, "name": _NAME}

# Words that say what kind is asked for. A sentence that holds one of the kind need not repeat them.
_SAID_BY_KIND: dict[Kind, str] = {
    "amount": "cost costs costly expensive price prices pay pays paid fee fees charge charged money amount compensation"
    " bill billed",
    "quantity": "number share percentage proportion total amount rate roughly about exactly",
    "date": "year date day month century time weekday decade",
    "person": "person people official role name",
    "place": "city cities town place places location located region",
    "name": "name names named called",
    "open": "",
}


def kind_of(question: str) -> Kind:
    """The kind of answer asked for, by the question's own words; of two kinds the one named first.

    >>> kind_of("When was the harbour opened?")
    'date'
    """
    found = [(match.start(), i) for i, (_, asks) in enumerate(_ASKS) if (match := asks.search(question))]
    return _ASKS[min(found)[1]][0] if found else "open"


def holds(kind: Kind, sentence: str, question_words: frozenset[str], counted: str = "") -> bool:
    """Whether ``sentence`` has something of this kind that is not in the question already (lower-case words).

    ``counted`` is what a number is asked for of (counted_noun): where the sentence speaks of it without a number
    beside it, its other numbers count something else."""
    if kind == "open":
        return True
    if kind == "quantity" and counted and not _counts(counted, sentence):
        return False
    pattern = _HOLDS[kind]
    if kind == "date":  # "in which month" is not answered by a year
        pattern = next((by_unit for unit, by_unit in _DATE_BY_UNIT.items() if unit in question_words), pattern)
    found = (match.group() for match in pattern.finditer(sentence))
    if kind in ("person", "place", "name"):
        found = (name for name in found if not _DATE.fullmatch(name.strip(' "“,.')))
    return any(_is_new(value, question_words) for value in found)


def said_by_kind(kind: Kind) -> frozenset[str]:
    """Lower-case words of a question that a sentence holding this kind answers without repeating them."""
    return frozenset(_SAID_BY_KIND[kind].split())


def _is_new(found: str, question_words: frozenset[str]) -> bool:
    words = re.findall(r"\w+", found.lower())
    return not words or any(word not in question_words for word in words)


_AFTER_A_NOUN = (
    "is|are|was|were|will|would|did|do|does|has|have|had|can|could|may|might|should|from|in|of|to|at|on|for|with|"
    "there|who|that|which"
)
_HOW_MANY = re.compile(
    rf"\bhow many (?:of (?:the|these|those) (?P<of>[\w’'-]+)"
    rf"|(?P<what>[\w’'-]+(?: [\w’'-]+){{0,3}}?)(?= (?:{_AFTER_A_NOUN})\b|[?,.]|$))",
    re.IGNORECASE,
)
_NEAR_WORDS = 4  # between a number and what it counts: "hundreds of wounded Russian soldiers"


def counted_noun(question: str) -> str:
    """The noun of which a number is asked, lower-case; "" when none is.

    >>> counted_noun("How many young professors will come?")
    'professors'
    """
    found = _HOW_MANY.search(question)
    return (found["of"] or found["what"].split()[-1]).lower() if found else ""


def _counts(noun: str, sentence: str) -> bool:
    """False when ``sentence`` speaks of ``noun`` and no number stands close before it. A table row is taken at its
    word, and so is "the number of"."""
    stem = re.escape(noun[:-1] if noun.endswith(("s", "y", "e")) else noun)
    places = list(re.finditer(rf"\b{stem}\w{{0,3}}\b", sentence, re.IGNORECASE))
    if not places or ";" in sentence or re.search(r"\b(?:number|total|share|count)s?\b", sentence, re.IGNORECASE):
        return True
    for place in places:
        before = " ".join(sentence[: place.start()].split()[-_NEAR_WORDS:])
        after = " ".join(sentence[place.end() :].split()[:2])
        if _NUMBER.search(before) or _NUMBER.search(after):
            return True
    return False


_DEFINED = re.compile(
    r"^\W*what(?:'s| is| are| does)(?: meant by)? (?:an? |the )?[\"“]?(?P<term>[\w-]+(?: (?!mean\b|in\b)[\w-]+)?)[\"”]?"
    r"(?: mean)?(?: in [A-Z]\w+)?\W*$",
    re.IGNORECASE,
)


def defined_term(question: str) -> str:
    """The term that a question wants explained, lower-case; "" when it wants something else.

    >>> defined_term("What is a generation in Footnote?")
    'generation'
    """
    found = _DEFINED.search(question)
    return found["term"].lower() if found else ""


def defines(term: str, sentence: str) -> bool:
    """Whether ``sentence`` says what ``term`` is: "A term is ...", "Term: ...", "... called a term", "term (...)"."""
    word = re.escape(term)
    return bool(
        re.search(
            rf"^\W*{word}: |^\W*(?:an? |the )?{word}\W? (?:is|are|means?|stands for|denotes|refers to)\b"
            rf"|\b(?:called|known as|named|term(?:ed)?) (?:an? |the )?[\"“]?{word}\b|^{word} \("
            rf"|\b{word}, which (?:is|are|was|were)\b",
            sentence,
            re.IGNORECASE,
        )
    )


_NAME_OF = re.compile(r"\bnames? (?:of )?(?:the |a |an |this |that )?(?P<noun>(?:[\w-]+['’]s )?[\w-]+)", re.IGNORECASE)
_CALLED = re.compile(
    r"\bwhat (?:is|was|are|were) (?:the|this|that|its|their) (?:\w+ )?(?P<noun>[a-z][\w-]+) called\b", re.IGNORECASE
)
_WHICH = re.compile(r"\bwhich (?:[A-Z][\w-]* )*(?P<noun>[a-z][\w-]+)")


def named_noun(question: str) -> str:
    """The noun whose name is asked for, lower-case; "" when no name is.

    >>> named_noun("Which hospital treats them?")
    'hospital'
    """
    found = _WHICH.search(question[:1].lower() + question[1:]) or _CALLED.search(question)
    if found is None and kind_of(question) == "name":
        found = _NAME_OF.search(question)
    noun = found["noun"].split()[-1].lower() if found else ""
    return "" if noun in STOP_WORDS else noun


def names_noun(noun: str, text: str) -> bool:
    """Whether ``text`` has a proper name or a number beside ``noun``: "Park Hospital", "the newspaper The Mail",
    "towns, among them York", "port 8000"."""
    stem = re.escape(noun[:-1] if noun.endswith(("s", "y", "e")) else noun)
    joined = "of|named|called|such as|among them|including|is|was|are|were|in|like|the"
    beside = rf"\b{stem}\w{{0,3}}\b,? (?:(?:{joined}) )*[\"“]?[A-Z\d]"
    itself = rf"[a-z,] (?:the )?(?:[A-Z][\w’'-]+ )*{stem[:1].upper()}{stem[1:]}\w{{0,3}}\b|[A-Z][\w’'.-]+ {stem}\b"
    return bool(re.search(f"{beside}|{itself}", text))


_ASKS_OF_DEATH = re.compile(
    r"\b(?:died|dead|deaths?|killed|murdered|drowned|perished|casualties|fatalit(?:y|ies))\b"
    r"|\bdie(?=\W*$| (?:in|of|from|at|on|during|because)\b)",
    re.IGNORECASE,
)
_TELLS_OF_DEATH = re.compile(
    r"\b(?:die[sd]?|dying|dead|deadly|deaths?|kill\w*|casualt\w+|fatal\w*|mortal\w*|perish\w*|murder\w*|assassin\w*"
    r"|suicides?|execut\w+|drown\w*|sla(?:in|y\w*)|hanged|beheaded|shot|toll|victims?|lives|los[est]\w*|fell|fallen"
    r"|passed away|bod(?:y|ies)|graves?|bur(?:y|ied|ials?)|funerals?|memorials?|surviv\w+|widow\w*|late)\b",
    re.IGNORECASE,
)


def asks_of_death(question: str) -> bool:
    """Whether a fact of someone's death is asked for: how many, who, when or where. "Do they die?" asks for none.

    >>> asks_of_death("How many were killed?"), asks_of_death("How many were hurt?")
    (True, False)
    """
    return kind_of(question) not in ("open", "amount") and bool(_ASKS_OF_DEATH.search(question))


def tells_of_death(text: str) -> bool:
    """Whether ``text`` has a word by which it might say that someone died, or lived on."""
    return bool(_TELLS_OF_DEATH.search(text))
