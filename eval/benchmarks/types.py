"""What a public set is turned into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eval.types import Case, Corpus, ResolvedCase
from rag.types import Answer

Values = Mapping[str, float]
"""Measure -> value of one case; a measure that does not apply is not there."""

Measure = Callable[[ResolvedCase, Answer, Corpus], Values]


@dataclass(frozen=True, slots=True)
class Benchmark:
    name: str
    documents: Mapping[str, str]  # source -> content of the file
    cases: tuple[Case, ...]
    measure: Measure
    passages: int = 10  # retrieved for each question
    pooled: str = ""  # sets that name the same pool are also reported as one
    quoting: tuple[int, ...] = ()  # answerable questions are asked again with so many sentences quoted
    measure_quoted: Measure | None = None  # what is measured of those
