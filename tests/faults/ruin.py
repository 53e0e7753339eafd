"""What can happen to a file, and two generations for it to happen to."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.generation import Generation
from index.live import Library
from index.search import make_query, search
from tests.fakes import FakeEncoder
from tests.index.shelf import Shelf

QUESTIONS = ("Who mended the nets?", "Who saw the lamp number 37?", "keeper of the bell")
EXTENDS: dict[str, Any] = {"extend_from": 20}
_SUBJECTS = ("tide", "lamp", "rope", "quay", "ferry", "keeper", "hemp", "bell", "warden", "barrel", "crown", "anchor")
_PAGE = 4096

Answers = Mapping[str, tuple[Any, ...]]
"""Question -> the passages found with their scores and texts."""


def page(number: int) -> str:
    one, two = _SUBJECTS[number % 12], _SUBJECTS[number // 12 % 12]
    return f"# Page {number}\n\nThe {one} number {number} was seen by the {two}. Its keeper was number {number + 3}.\n"


@dataclass(frozen=True, slots=True)
class Two:
    """Two whole generations, ``older`` and the live ``newer``, and a copy of them to mend what a trial has ruined."""

    shelf: Shelf
    older: str
    newer: str
    answers: Mapping[str, Answers]  # by generation
    mould: Path

    def mend(self) -> None:
        """Both as they were, each file with an inode of its own unless it was shared."""
        shutil.rmtree(self.shelf.layout.generations)
        copy_linked(self.mould / "generations", self.shelf.layout.generations)
        shutil.copyfile(self.mould / "CURRENT", self.shelf.layout.current)

    def files(self) -> list[Path]:
        """Every file of the newer generation, by kind and size: tantivy's names are random, and trials are not."""
        folder = self.shelf.layout.generation(self.newer)
        found = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
        return sorted(found, key=lambda path: (path.suffix, path.stat().st_size, path.name))

    @property
    def is_extended(self) -> bool:
        return (self.shelf.layout.generation(self.newer) / "vectors.tail.faiss").exists()


def two_generations(folder: Path, *, extended: bool) -> Two:
    """Eighty pages and, in the newer generation, a note on nets. ``extended``: it shares files with the older, and is
    searched by codes, as a large one is."""
    shelf = Shelf(folder / "documents", folder / "data")
    options = {**EXTENDS, "exact_rows": 20} if extended else {}
    for number in range(80):
        shelf.write(f"{number:02}.md", page(number))
    shelf.build(**options)
    for name, text in (("log.md", "The log is kept by the mate."), ("nets.md", "Nets are mended on Mondays.")):
        shelf.write(name, text)
        shelf.build(**options)
    older, newer = shelf.layout.names()
    answers = {}
    for name in (older, newer):
        generation = Generation(shelf.layout.generation(name))
        answers[name] = answers_of(generation)
        generation.close()
    assert answers[older] != answers[newer]
    copy_linked(shelf.layout.generations, folder / "mould" / "generations")
    shutil.copyfile(shelf.layout.current, folder / "mould" / "CURRENT")
    return Two(shelf, older, newer, answers, folder / "mould")


def copy_linked(source: Path, target: Path) -> None:
    """Copy a tree; files that are one file there are one file in the copy."""
    seen: dict[int, Path] = {}
    for path in sorted(source.rglob("*")):
        other = target / path.relative_to(source)
        if path.is_dir():
            other.mkdir(parents=True)
        elif path.stat().st_ino in seen:
            other.hardlink_to(seen[path.stat().st_ino])
        else:
            shutil.copyfile(path, other)
            seen[path.stat().st_ino] = other


def answers_of(generation: Generation) -> Answers:
    return {
        question: tuple(
            (hit.passage.passage_id, hit.score, hit.signals, hit.passage.text)
            for hit in search(generation, [make_query(question, FakeEncoder())], k=5)
        )
        for question in QUESTIONS
    }


@contextmanager
def library(shelf: Shelf) -> Iterator[Library]:
    """As a process that has just started has it."""
    opened = Library(shelf.data, encoder="fake")
    try:
        yield opened
    finally:
        opened.close()


# -- what can happen to a file ----------------------------------------------------------------------------------------

Damage = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, chance: random.Random) -> bytes:
    ruined = bytearray(data)
    ruined[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(ruined)


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def zero_page(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(0, len(data), _PAGE)
    return data[:start] + bytes(len(data[start : start + _PAGE])) + data[start + _PAGE :]


def grow(data: bytes, chance: random.Random) -> bytes:
    return data + chance.randbytes(chance.choice((1, 100, _PAGE)))


BYTES: Mapping[str, Damage] = {"flip": flip, "truncate": truncate, "zero page": zero_page, "grow": grow}
KINDS = (*BYTES, "flip", "swap", "delete")  # single bits are the likeliest, and the hardest to see


def put(path: Path, data: bytes, *, in_place: bool) -> None:
    """Give a file other bytes: as a failing disk does, under every name it has; or a file of its own."""
    if not in_place:
        path.unlink()
    path.write_bytes(data)
