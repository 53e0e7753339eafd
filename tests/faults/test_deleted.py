"""A document that is deleted is gone: from answers with the next generation, and from every file of the data folder
once the generations before are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import index.build
from index.generation import collect
from index.lexical import terms
from index.store_writer import Writer
from tests.faults.campaign import Campaigns
from tests.index.shelf import Shelf

COUNT = 60
EXTENDS: dict[str, Any] = {"extend_from": 20}  # the generation before is taken over, and rows are removed from it
WAYS: dict[str, dict[str, Any]] = {"written anew": {}, "extended": EXTENDS}


def secret(number: int) -> list[str]:
    """Sentences that stand nowhere else, one of them a heading."""
    word = random.Random(f"secret {number}").randbytes(6).hex()
    return [
        f"Ledger of Qx{word}",
        f"The vault of Zq{word} opens with the number {number + 70_000}.",
        f"Its keeper {word}vy lives behind the mill.",
    ]


def document(lines: list[str]) -> str:
    return f"# {lines[0]}\n\n{' '.join(lines[1:])}\n"


def found_in(shelf: Shelf, lines: list[str]) -> list[str]:
    """Files of the data folder that hold one of the lines, or a piece of one, in any case."""
    pieces = {piece.lower().encode() for line in lines for piece in (line, line[: len(line) // 2], line[-20:])}
    return [
        path.relative_to(shelf.data).as_posix()
        for path in sorted(shelf.data.rglob("*"))
        if path.is_file() and any(piece in path.read_bytes().lower() for piece in pieces)
    ]


def answered(shelf: Shelf, lines: list[str]) -> bool:
    return any(line in hit.passage.text for line in lines for hit in shelf.ask(lines[1], k=50))


def delete(shelf: Shelf, name: str) -> None:
    (shelf.source / name).unlink()


def rewrite(shelf: Shelf, name: str) -> None:
    shelf.write(name, "Nothing of the kind stands here any more.\n")


def rename_and_rewrite(shelf: Shelf, name: str) -> None:
    (shelf.source / name).unlink()
    shelf.write(f"new-{name}", "It has another name, and says other things.\n")


AWAY: tuple[Callable[[Shelf, str], None], ...] = (delete, rewrite, rename_and_rewrite)


def made(where: Path) -> Shelf:
    shelf = Shelf(where / "documents", where / "data")
    for number in range(COUNT):
        shelf.write(f"{number:02d}.md", f"# Boat {number}\n\nBoat {number} lies at quay {number * 3}. It is blue.\n")
    shelf.build()
    return shelf


def gone_after(shelf: Shelf, trial: int, *, collected: bool = True, **options: Any) -> list[str]:
    """Where a document still is that came with one build and went with another."""
    lines, name = secret(trial), f"secret-{trial}.md"
    shelf.write(name, document(lines))
    shelf.build(**options)
    assert answered(shelf, lines) and found_in(shelf, lines), "it is not there to be deleted"
    AWAY[trial % len(AWAY)](shelf, name)
    shelf.build(**options)
    wrong = ["it is answered with"] if answered(shelf, lines) else []
    if collected:
        collect(shelf.layout, shelf.live, keep=1)
    return [f"trial {trial}: {what}" for what in (*wrong, *found_in(shelf, lines))]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_deleted_is_gone(tmp_path: Path, campaign: Campaigns, way: str) -> None:
    shelf = made(tmp_path)
    what = f"a document is deleted, rewritten or renamed and rewritten; the index is {way}"
    with campaign("R16", what, push=3, release=30) as trials:
        for trial in trials:
            assert gone_after(shelf, trial, **WAYS[way]) == []


def listed(shelf: Shelf, word: str) -> bool:
    """Whether a word stands in the lexical index's list of words, for whatever passage."""
    with shelf.open() as generation:
        return bool(generation.lexical._searcher.doc_freq("text", *terms(word)))


def test_single_words_of_it_stay_in_an_extended_index_until_it_is_written_anew(tmp_path: Path) -> None:
    """In tantivy's list of words, which has no order of them; the files of a large index are not written anew for one
    document."""
    shelf = made(tmp_path)
    lines = secret(0)
    shelf.write("secret.md", document(lines))
    shelf.build(full=True)
    delete(shelf, "secret.md")
    shelf.build(**EXTENDS)
    word = lines[2].split()[2]
    assert listed(shelf, word)
    shelf.build(full=True, **EXTENDS)
    assert not listed(shelf, word)


class Careless(Writer):
    """Removes rows and leaves what stood there."""

    def __init__(self, path: Path, rows: tuple[int, int] | None = None) -> None:
        super().__init__(path, rows)
        self._db.execute("PRAGMA secure_delete = OFF")


def test_a_writer_that_does_not_overwrite_would_be_seen(
    tmp_path: Path, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null control."""
    monkeypatch.setattr(index.build, "Writer", Careless)
    shelf = made(tmp_path)
    wrong = [bool(gone_after(shelf, trial, **EXTENDS)) for trial in range(3)]
    campaign.control("R16", "that removed rows are overwritten", failed=sum(wrong), of=3)


def test_the_generation_before_holds_it_until_it_is_collected(tmp_path: Path, campaign: Campaigns) -> None:
    """The second null control; a rollback needs it."""
    shelf = made(tmp_path)
    wrong = [bool(gone_after(shelf, trial, collected=False)) for trial in range(2)]
    campaign.control("R16", "that earlier generations are deleted", failed=sum(wrong), of=2)
