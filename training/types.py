"""One training sample: a query read together with a few sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Relation = Literal["entailment", "neutral", "contradiction", "not_entailment", ""]
"""How the sentences bear on a claim; "" when the query is a question. not_entailment: neutral or contradiction."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``answers`` has one mark a sentence: True where it answers the question or bears on the claim. Empty: unknown."""

    query: str
    sentences: tuple[str, ...]
    answers: tuple[bool, ...] = ()
    answerable: bool | None = None  # whether the sentences together answer the question; None: unknown
    relation: Relation = ""
    title: str = ""
    weight: float = 1.0  # below 1 where the labels were made by a rule that is often wrong
    source: str = ""  # the set it comes from
