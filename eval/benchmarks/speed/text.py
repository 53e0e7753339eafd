"""What is indexed and asked: any folder of documents, or the chunking_eval set with its questions and gold spans."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.benchmarks.files import sample
from eval.benchmarks.load import load_benchmark
from index.errors import SkipFile, SourceError
from index.parse import parse
from index.sentences import split
from index.types import Parsed
from index.walk import read, walk

_PIECE_CHARS = 30_000  # a long text is cut into files of about this size
_MAX_FILE_BYTES = 50_000_000
_SENTENCE_CHARS = range(40, 200)  # of a sentence that is asked as a question
_QUESTIONS = 200
_SEED = 0


@dataclass(frozen=True, slots=True)
class Asked:
    question: str
    gold: tuple[tuple[str, str], ...] = ()  # (source, text that answers); empty where that is not known


@dataclass(frozen=True, slots=True)
class Text:
    """Documents and questions about them."""

    name: str
    files: Mapping[str, bytes]  # path below the folder -> content, as it is indexed
    plain: Mapping[str, str]  # source -> its canonical text, for programs that read only text
    questions: tuple[Asked, ...]

    @property
    def characters(self) -> int:
        return sum(len(text) for text in self.plain.values())


def read_text(data: Path, exclude: Path, *, quick: bool = False) -> Text:
    """The documents in the folder ``data``; where it is the chunking_eval set, or holds it, that set's texts and
    questions, long texts cut into files. ``exclude`` is a folder in it that is not looked at, as a build does not look
    at its data folder. ``quick`` takes the three short texts of the set; of a folder it takes all.

    Raises SourceError when there is no document in it."""
    if (data / "questions_df.csv").is_file() and data.name == "chunking_eval":
        data = data.parent
    if (data / "chunking_eval" / "questions_df.csv").is_file():
        return _chunking(data, quick=quick)
    parsed = dict(_documents(data, exclude))
    if not parsed:
        raise SourceError(f"The folder {data} holds no document.", remedy="Name a folder of documents with --data.")
    return Text(
        data.resolve().name,
        {source: content for source, (content, _) in parsed.items()},
        {source: one.text for source, (_, one) in parsed.items()},
        tuple(Asked(sentence) for sentence in sample(sorted(sentences(one for _, one in parsed.values())), _QUESTIONS)),
    )


def _documents(folder: Path, exclude: Path) -> Iterator[tuple[str, tuple[bytes, Parsed]]]:
    files, _ = walk(folder, exclude=exclude, max_bytes=_MAX_FILE_BYTES)
    for file in files:
        try:
            content, _ = read(folder, file, max_bytes=_MAX_FILE_BYTES)
            yield file.source, (content, parse(content, file.suffix))
        except SkipFile:
            continue  # an ordinary build lists it; here there is only nothing to measure


def sentences(some: Iterable[Parsed]) -> set[str]:
    """Sentences of running text, white space made even, that are neither very short nor very long."""
    return {
        " ".join(one.text[span.start : span.end].split())
        for one in some
        for segment in one.segments
        if segment.kind == "prose"
        for span in split(one.text, segment)
        if span.end - span.start in _SENTENCE_CHARS
    }


def _chunking(data: Path, *, quick: bool) -> Text:
    benchmark = load_benchmark("chunking", data, quick=quick)
    gold: dict[str, list[tuple[int, int]]] = {source: [] for source in benchmark.documents}
    for case in benchmark.cases:
        for evidence in case.evidence:
            assert evidence.start is not None
            gold[evidence.source].append((evidence.start, evidence.start + len(evidence.quote)))
    plain: dict[str, str] = {}
    starts: dict[str, list[tuple[int, str]]] = {}
    for source, text in benchmark.documents.items():
        stem = source.removesuffix(".txt")
        for number, (start, end) in enumerate(pieces(text, gold[source], _PIECE_CHARS)):
            starts.setdefault(source, []).append((start, f"{stem}-{number:02d}.txt"))
            plain[f"{stem}-{number:02d}.txt"] = text[start:end]

    def piece_of(source: str, at: int) -> str:
        return next(name for start, name in reversed(starts[source]) if start <= at)

    asked = tuple(
        Asked(case.question, tuple((piece_of(one.source, one.start or 0), one.quote) for one in case.evidence))
        for case in benchmark.cases
    )
    return Text("chunking_eval", {name: piece.encode() for name, piece in plain.items()}, plain, asked)


def pieces(text: str, whole: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Ranges of about ``size`` characters that tile ``text`` and cut none of the ranges ``whole``: at the end of a
    line where there is one in the second half, else of a sentence, else anywhere."""
    found: list[tuple[int, int]] = []
    start = 0
    while len(text) - start > size * 1.5:
        places = (text.rfind(mark, start + size // 2, start + size) + len(mark) for mark in ("\n", ". ", " "))
        cut = next((place for place in places if place > start + size // 2), start + size)
        while crossed := [end for begin, end in whole if begin < cut < end]:
            cut = max(crossed)
        found.append((start, cut))
        start = cut
    return [*found, (start, len(text))]


def compose(pool: Sequence[str], number: int, seed: int = _SEED) -> str:
    """A document of 400 sentences drawn from ``pool`` in short runs, twenty under a heading, that no other number or
    seed has; a word of its own in each section, as names are, so that BM25 has something rare to find."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a text is drawn, nothing is secret
    lines = [f"# Record {number:06d}", ""]
    for section in range(20):
        lines += [f"## Part {section + 1} of {number:06d}", ""]
        drawn: list[str] = []
        while len(drawn) < 20:
            at = chance.randrange(len(pool))
            drawn += pool[at : at + chance.randint(1, 4)]
        named = "".join(chance.choice("bdfgklmnprstvz") + chance.choice("aeiou") for _ in range(4)).capitalize()
        drawn[chance.randrange(20)] += f" The register of {named} has it under {chance.randrange(10**6)}."
        lines += [" ".join(drawn[:10]), "", " ".join(drawn[10:20]), ""]
    return "\n".join(lines)
