"""However a folder came to be what it is, with builds in between, broken off or not, its index answers as one that was
built from nothing."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from index.ingest import Ingest
from index.walk import FoundFile
from tests.fakes import FakeEncoder
from tests.faults.campaign import Campaigns
from tests.faults.ruin import EXTENDS, page
from tests.index.shelf import Shelf
from tests.index.test_incremental import QUERIES, SENTENCE, TEXT, answers, state

_NAMES = st.sampled_from(["a.txt", "b.md", "c.txt", "notes/d.txt", "notes/e.md", "z.csv"])
_BATCH = 5  # histories that hypothesis looks for at a time


class BrokenOff(Exception):
    """Takes the place of whatever ends a build half way."""


class Failing(FakeEncoder):
    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise BrokenOff
        return super().encode_passage(text, sentences)


class Folder(RuleBasedStateMachine):
    """What people do to a folder, and builds in between. At the end of a history, and now and then on the way, the
    index is compared with one built from nothing."""

    pages: ClassVar[int] = 0  # that are there from the start
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory()
        self._clean = 0
        self.shelf = Shelf(Path(self._place.name, "documents"), Path(self._place.name, "data"))
        self.lost: list[tuple[str, str]] = []

    @initialize(texts=st.lists(TEXT, min_size=3, max_size=3))
    def begin(self, texts: list[str]) -> None:
        self.shelf.write("always.txt", "The harbour is never empty. The bell rings at noon.")
        for name, text in zip(("a.txt", "b.md", "notes/d.txt"), texts, strict=True):
            self.shelf.write(name, text)
        for number in range(self.pages):
            self.shelf.write(f"pages/{number:02}.md", page(number))
        self.shelf.build(**self.options)

    def path(self, name: str) -> Path:
        return self.shelf.source / name

    @rule(name=_NAMES, text=TEXT)
    def write(self, name: str, text: str) -> None:
        self.shelf.write(name, text)

    @rule(name=_NAMES, text=SENTENCE)
    def append(self, name: str, text: str) -> None:
        if self.path(name).exists():
            self.shelf.write(name, self.path(name).read_text() + "\n\n" + text)

    @rule(name=_NAMES, other=_NAMES)
    def rename(self, name: str, other: str) -> None:
        if self.path(name).exists():
            self.path(other).parent.mkdir(exist_ok=True)
            self.path(name).rename(self.path(other))

    @rule(name=_NAMES, other=_NAMES)
    def copy(self, name: str, other: str) -> None:
        if self.path(name).exists():
            self.shelf.write(other, self.path(name).read_text())

    @rule(name=_NAMES, other=_NAMES)
    def swap(self, name: str, other: str) -> None:
        """Two files change names: each path has other bytes, and no bytes are new."""
        if name != other and self.path(name).exists() and self.path(other).exists():
            self.path(name).rename(self.path("between"))
            self.path(other).rename(self.path(name))
            self.path("between").rename(self.path(other))

    @rule(name=_NAMES)
    def delete(self, name: str) -> None:
        if self.path(name).exists():
            self.lost.append((name, self.path(name).read_text()))
            self.path(name).unlink()

    @rule(name=_NAMES)
    def empty(self, name: str) -> None:
        if self.path(name).exists():
            self.lost.append((name, self.path(name).read_text()))
            self.path(name).write_text("")

    @rule()
    def restore(self) -> None:
        if self.lost:
            self.shelf.write(*self.lost.pop())

    @rule(name=_NAMES)
    def touch(self, name: str) -> None:
        if self.path(name).exists():
            self.path(name).touch()

    @rule()
    def build(self) -> None:
        self.shelf.build(**self.options)

    @rule()
    def build_from_nothing(self) -> None:
        self.shelf.build(full=True, **self.options)

    @rule(after=st.integers(0, 3))
    def build_that_is_broken_off(self, after: int) -> None:
        with suppress(BrokenOff):
            self.shelf.build(Failing(after), **self.options)

    def teardown(self) -> None:
        try:
            if self.path("always.txt").exists():  # a history that has begun
                self.shelf.build(**self.options)
                self.compare()
        finally:
            self._place.cleanup()

    def compare(self) -> None:
        self._clean += 1
        clean = Shelf(self.shelf.source, Path(self._place.name, f"clean-{self._clean}"))
        clean.build()
        assert state(self.shelf) == state(clean)
        assert self.shelf.texts() == clean.texts()
        for query in QUERIES:
            self.compare_answers(clean, query)

    def compare_answers(self, clean: Shelf, query: str) -> None:
        ours, theirs = answers(self.shelf, query), answers(clean, query)
        assert [name for name, _ in ours] == [name for name, _ in theirs]
        assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-5)


class LargeFolder(Folder):
    """Of a size from which on a build extends the one before. BM25 may differ by a percent there: the mean length
    of a passage still counts those that are gone."""

    pages = 60
    options = EXTENDS

    def compare_answers(self, clean: Shelf, query: str) -> None:
        ours, theirs = self.shelf.signals(query), clean.signals(query)
        assert ours.keys() == theirs.keys()
        for passage, own in ours.items():
            assert own[:3] == pytest.approx(theirs[passage][:3], abs=1e-5)
            assert own[3] == pytest.approx(theirs[passage][3], rel=1e-2)


def look_for_a_difference(machine: type[Folder], number: int, *, histories: int, steps: int) -> None:
    """Run so many histories; what fails is told as short as hypothesis can make it in few tries."""
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )


@pytest.mark.parametrize(("machine", "push", "release"), [(Folder, 25, 500), (LargeFolder, 5, 100)])
def test_an_index_answers_as_one_built_from_nothing(
    machine: type[Folder], push: int, release: int, campaign: Campaigns
) -> None:
    what = f"histories of a folder ({machine.__name__}), 10 steps long on a push, 40 for a release"
    with campaign("R15", what, push=push, release=release) as trials:
        for trial in trials:
            if trial % _BATCH == 0:
                steps = 10 if campaign.plan.share_s is None else 40
                look_for_a_difference(machine, trial, histories=_BATCH, steps=steps)


def found(histories: int) -> bool:
    """Whether a fault that was planted is found in so many histories."""
    for number in range(0, histories, _BATCH):
        try:
            look_for_a_difference(Folder, number, histories=_BATCH, steps=10)
        except Exception:  # noqa: BLE001 - a difference, or an index whose parts do not fit together
            return True
    return False


def test_a_stale_vector_would_be_found(campaign: Campaigns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.store.Store.row_by_key", lambda self, key: (0, 0))
    campaign.control("R15", "the key: vectors are those of another passage", failed=int(found(10)), of=1)


def test_documents_that_are_kept_when_their_files_are_gone_would_be_found(
    campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(self: Ingest) -> None:
        for path, known in self._known.items():
            if path not in self._documents:
                self._add_document(FoundFile(path, known.stat), known.bytes_sha256, known.format)

    monkeypatch.setattr("index.ingest.Ingest._keep_unseen", keep)
    campaign.control("R15", "the end of what is gone: its passages are kept", failed=int(found(25)), of=1)
