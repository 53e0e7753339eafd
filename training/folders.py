"""Folders of made-up documents with questions about them (training/folders/*.txt), as training samples.

    @folder night-ferry
    #doc Night ferry to Arholm resumes
    ##What changed
    1 The night ferry between Tessel and Arholm sails again from 4 May.
    q plain | When does the night ferry start sailing again? | 1
    q follow | And how much is it? << What time does it leave? | 3
    q none | How many people were hurt in the fire? | -

``#doc`` is a title, ``##`` a heading in it, a number a sentence's (counted through the folder), ``q`` a question with
its kind and the sentences that answer it, all that do. A question that follows another has that one after ``<<``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from rag.rewrite import understand
from rag.types import Turn
from training.types import Sample

WRITTEN = Path(__file__).parent / "folders"
_KEPT_OUT = 26  # of 256: the share of folders that training never sees
_MOST_NEAR = 2  # passages without an answer that a question is read with, of one pass over the folders
_MOST_WORDS = 170  # of a passage: about what fits the window beside a question


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is read: what it leans on is in it. ``answered_by`` is empty when nothing in the folder does."""

    kind: str
    text: str
    answered_by: frozenset[int]


@dataclass(slots=True)
class Section:
    """The sentences under one heading of a document, each with its number."""

    title: str
    heading: str
    sentences: list[tuple[int, str]] = field(default_factory=list)

    @property
    def above(self) -> str:
        return " > ".join(dict.fromkeys(filter(None, (self.title, self.heading))))


@dataclass(slots=True)
class Folder:
    name: str
    sections: list[Section] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)

    @property
    def kept_out(self) -> bool:
        return sha256(self.name.encode()).digest()[0] < _KEPT_OUT


def load(where: Path = WRITTEN) -> list[Folder]:
    """Every folder of every file in ``where``. Raises ValueError, with the place, where a line cannot be read."""
    folders: list[Folder] = []
    for path in sorted(where.glob("*.txt")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                _take(line.strip(), folders)
            except (ValueError, IndexError) as error:
                raise ValueError(f"{path.name}:{number}: {error or 'out of place'}: {line[:80]}") from error
    return folders


def _take(line: str, folders: list[Folder]) -> None:
    if not line:
        return
    if line.startswith("@folder "):
        folders.append(Folder(line.removeprefix("@folder ").strip()))
        return
    folder = folders[-1]
    if line.startswith("#doc "):
        folder.sections.append(Section(line.removeprefix("#doc ").strip(), ""))
    elif line.startswith("##"):
        folder.sections.append(Section(folder.sections[-1].title, line.removeprefix("##").strip()))
    elif line.startswith("q "):
        folder.questions.append(_question(line.removeprefix("q "), folder))
    else:
        number, sentence = line.split(maxsplit=1)
        if int(number) != 1 + sum(len(section.sentences) for section in folder.sections):
            raise ValueError("a sentence out of turn")
        folder.sections[-1].sentences.append((int(number), sentence))


def _question(line: str, folder: Folder) -> Asked:
    kind, text, numbers = (part.strip() for part in line.split("|"))
    answered_by = frozenset(int(number) for number in re.findall(r"\d+", numbers))
    known = {number for section in folder.sections for number, _ in section.sentences}
    if not answered_by <= known or (kind == "none") == bool(answered_by):
        raise ValueError("numbers that are no sentence's, or none where some are needed")
    question, _, before = (part.strip() for part in text.partition("<<"))
    return Asked(kind, understand(question, [Turn("user", before)] if before else []).standalone, answered_by)


def samples(folders: Sequence[Folder], chance: random.Random) -> Iterator[Sample]:
    """Each question with the passages that answer it, and with a few that do not, cut anew by ``chance``."""
    for folder in folders:
        for asked in folder.questions:
            passages = list(passages_of(folder, chance))
            chance.shuffle(passages)
            near = 0
            for above, numbered in passages:
                answers = tuple(number in asked.answered_by for number, _ in numbered)
                if not any(answers):
                    near += 1
                    if near > _MOST_NEAR + (not asked.answered_by):
                        continue
                text = asked.text.lower().rstrip("?") if chance.random() < 0.08 else asked.text
                yield Sample(text, tuple(sentence for _, sentence in numbered), answers, any(answers),
                             title=above if chance.random() < 0.9 else "", source="folders")  # fmt: skip


def passages_of(folder: Folder, chance: random.Random) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """The folder's text in passages, each under what stands above it: a section or less, or several short ones."""
    above, run = "", list[tuple[int, str]]()
    whole = chance.random() < 0.3  # sections packed together, as a text without headings is
    most = chance.choice((60, 110, _MOST_WORDS, _MOST_WORDS))
    for section in folder.sections:
        here = section.title if whole else section.above
        if run and (here != above or not whole):
            yield above, run
            run = []
        above = here
        for number, sentence in section.sentences:
            if run and sum(len(text.split()) for _, text in run) + len(sentence.split()) > most:
                yield above, run
                run = []
            run.append((number, sentence))
    if run:
        yield above, run
