"""However a folder came to be, its index answers as one built from nothing would."""

from __future__ import annotations

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.index.shelf import Shelf

NAMES = ["a.txt", "b.md", "c.txt", "notes/d.txt", "notes/e.md", "z.csv"]
WORDS = ["tide", "lamp", "rope", "quay", "ferry", "noon", "keeper", "hemp", "bell", "warden", "barrel", "crown"]
QUERIES = ["When does the ferry leave the quay?", "lamp keeper", "hemp rope", "zeppelin"]

SENTENCE = st.lists(st.sampled_from(WORDS), min_size=2, max_size=12).map(lambda words: "The " + " ".join(words) + ".")
TEXT = st.lists(
    st.lists(SENTENCE, min_size=1, max_size=4).map(" ".join), min_size=0, max_size=5
).map("\n\n".join)  # fmt: skip
NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.tuples(st.just("write"), NAME, TEXT),
    st.tuples(st.just("write"), NAME, TEXT),
    st.tuples(st.just("append"), NAME, SENTENCE),
    st.tuples(st.just("rename"), NAME, NAME),
    st.tuples(st.just("copy"), NAME, NAME),
    st.tuples(st.just("delete"), NAME, st.just("")),
    st.tuples(st.just("touch"), NAME, st.just("")),
)
ROUNDS = st.lists(st.lists(STEP, min_size=1, max_size=4), min_size=1, max_size=4)


def change(shelf: Shelf, step: tuple[str, str, str]) -> None:
    what, name, other = step
    path = shelf.source / name
    if what == "write":
        shelf.write(name, other)
    elif path.exists():
        if what == "append":
            shelf.write(name, path.read_text() + "\n\n" + other)
        elif what in ("rename", "copy"):
            shelf.write(other, path.read_text())
            if what == "rename" and name != other:
                path.unlink()
        elif what == "delete":
            path.unlink()
        else:
            path.touch()


def state(shelf: Shelf) -> set[tuple[str, str, str]]:
    with shelf.open() as generation:
        return {(doc.source, doc.text_sha256, doc.duplicate_of) for doc in generation.store.documents()}


def answers(shelf: Shelf, query: str) -> list[tuple[str, float]]:
    """The ids in the order of the scores, ties in the order of the ids."""
    hits = [(hit.passage.passage_id, hit.score) for hit in shelf.ask(query, k=10)]
    return sorted(hits, key=lambda hit: (-round(hit[1], 4), hit[0]))


@given(rounds=ROUNDS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
def test_an_incremental_build_answers_as_a_clean_one(rounds: list[list[tuple[str, str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder, "documents"), Path(folder, "data"))
        shelf.write("always.txt", "The harbour is never empty. The bell rings at noon.")
        shelf.build()
        embedded: list[str] = []
        for steps in rounds:
            for step in steps:
                change(shelf, step)
            shelf.build()
            embedded = shelf.embedded
            shutil.rmtree(Path(folder, "clean"), ignore_errors=True)
            clean = Shelf(shelf.source, Path(folder, "clean"))
            clean.build()
            assert state(shelf) == state(clean)
            assert shelf.texts() == clean.texts()
            assert set(embedded) <= set(clean.embedded)
            for query in QUERIES:
                ours, theirs = answers(shelf, query), answers(clean, query)
                assert [name for name, _ in ours] == [name for name, _ in theirs]
                assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-5)


def test_what_is_on_disk_is_the_same_too(shelf: Shelf, tmp_path: Path) -> None:
    """Vectors bit for bit: those copied over two generations equal those just made."""
    shelf.write("nets.txt", "Nets are mended on Mondays.")
    shelf.build()
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    shelf.build()
    clean = Shelf(shelf.source, tmp_path / "clean")
    clean.build()
    for name in ("vectors.faiss", "sentences.f16"):
        ours, theirs = (sha256((one.live_folder / name).read_bytes()).hexdigest() for one in (shelf, clean))
        assert ours == theirs
