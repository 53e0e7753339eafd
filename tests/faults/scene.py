"""A folder of twenty documents, its index, and one change of the folder: the stage on which builds are killed.

Every trial begins from a copy of the same data folder and indexes the same change, so a point that failed can be tried
again by its number alone.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from index.errors import NoGeneration
from index.generation import Generation, Layout, lease
from index.live import Library
from index.manifest import verify
from index.search import make_query, search
from tests.fakes import FakeEncoder
from tests.faults.builders import Builders, Ended
from tests.faults.syscalls import Call, Fault, Watch
from tests.index.shelf import Shelf

QUESTIONS = ("Who climbs ninety steps?", "the number of harbour 7", "a net that was mended", "zeppelin", "keeper 19")
_CHANGE = "A net that was mended is dried on the quay."
_SUBJECTS = ("harbour", "lamp", "rope", "quay", "ferry")


@dataclass(frozen=True)
class State:
    """What is served: every document's text, and what is found for the golden questions."""

    texts: dict[str, str]
    found: dict[str, list[tuple[str, float]]]  # question -> passage and score, best first

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State) or self.texts != other.texts:
            return False
        return all(
            [passage for passage, _ in ours] == [passage for passage, _ in theirs]
            and all(abs(a - b) <= 1e-5 for (_, a), (_, b) in zip(ours, theirs, strict=True))
            for ours, theirs in ((self.found[question], other.found[question]) for question in QUESTIONS)
        )

    __hash__ = None  # type: ignore[assignment]


def _state_in(generation: Generation) -> State:
    encoder = FakeEncoder()
    hits = {question: search(generation, [make_query(question, encoder)], k=10) for question in QUESTIONS}
    return State(
        {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()},
        {question: [(hit.passage.passage_id, hit.score) for hit in found] for question, found in hits.items()},
    )


def state_of(data: Path, *, named: bool = True) -> State | None:
    """What a server that starts now would serve, None for nothing; it must be whole and, if ``named``, CURRENT's."""
    library = Library(data, encoder="fake")
    try:
        with library.pin() as generation:
            assert not named or (library.corrupt, library.degraded) == (0, ""), library.degraded
            return _state_in(generation)
    except NoGeneration:
        return None
    finally:
        library.close()


def stray(data: Path) -> list[str]:
    """What is left of work that was interrupted, and generations that are not whole."""
    layout = Layout(data)
    names = layout.names()
    found = [path.name for path in layout.generations.iterdir() if path.name not in names]
    found += [path.name for path in data.iterdir() if path.name.endswith(".tmp") or path.name == layout.journal.name]
    found += [path.name for path in data.glob("leases/*") if path.name not in names]
    for name in names:
        verify(layout.generation(name))
    return found


@dataclass
class Scene:
    """``before`` is served to begin with, ``after`` when the change is indexed; both as an undisturbed build has it."""

    builders: Builders
    source: Path
    template: Path
    data: Path
    options: dict[str, Any]
    before: State | None = None
    after: State | None = None
    rehearsed: list[Call] = field(default_factory=list)  # the calls of the run that points() made

    def set_up(self) -> None:
        """Begin a trial."""
        shutil.rmtree(self.data, ignore_errors=True)
        if self.template.exists():
            shutil.copytree(self.template, self.data)

    def run(self, fault: Fault | None = None, what: str = "build") -> tuple[Ended, Watch]:
        return self.builders.run(self.source, self.data, fault, what=what, **(self.options if what != "gc" else {}))

    def points(self, what: str = "build") -> list[tuple[str, int]]:
        """Every call that an undisturbed run makes, by its kind and number: renames first, then fsyncs, for on these
        publishing rests, and the rest in an order that goes through the run in leaps."""
        self.set_up()
        ended, watch = self.run(what=what)
        assert not ended.error and not ended.killed, ended
        self.rehearsed = watch.calls
        found: list[tuple[str, int]] = []
        for kind in sorted(self.kinds, key=lambda kind: (not kind.startswith("rename"), kind != "fsync", kind)):
            found += ((kind, number) for number in in_leaps(self.kinds[kind]))
        return found

    @property
    def kinds(self) -> Counter[str]:
        """How many calls of each kind that run made."""
        return Counter(call.name for call in self.rehearsed)

    def ordinals(self, kind: str, file: str) -> list[int]:
        """Which of the calls of a kind were of a file of this name."""
        paths = [call.path for call in self.rehearsed if call.name == kind]
        return [number for number, path in enumerate(paths) if path.endswith(file)]

    def check(self, *, named: bool = True) -> bool:
        """Served is the state before or the one after, and never another; whether it is the one after."""
        found = state_of(self.data, named=named)
        assert found in (self.before, self.after), "neither the index before nor the one after"
        return found == self.after

    def recover(self, what: str = "build") -> None:
        """The next run ends the matter."""
        ended, _ = self.run(what=what)
        assert not ended.error and not ended.killed, ended
        assert stray(self.data) == []
        assert state_of(self.data) == (self.after if what != "gc" else self.before)


def in_leaps(count: int) -> list[int]:
    """0 to ``count`` - 1, such that any first few are spread over all."""
    bits = max(count - 1, 1).bit_length()
    return [n for n in (int(f"{i:0{bits}b}"[::-1], 2) for i in range(1 << bits)) if n < count]


def make_scene(tmp_path: Path, builders: Builders, how: str) -> Scene:
    """``how`` the change is indexed: "anew", "extended", or in a "first" build."""
    shelf = Shelf(tmp_path / "documents", tmp_path / "template")
    options: dict[str, Any] = {"extend_from": 20, "exact_rows": 20} if how == "extended" else {}
    for number in range(60 if how == "extended" else 20):
        shelf.write(f"{number:02}.txt", _text(number))
    scene = Scene(builders, shelf.source, shelf.data, tmp_path / "data", options)
    if how != "first":
        shelf.build(**options)
        shelf.write("nets.txt", "A net is mended on Mondays.")
        shelf.build(**options)  # two generations: the third has the first deleted
        scene.before = state_of(shelf.data)
    shelf.write("nets.txt" if how != "extended" else "boats.txt", _CHANGE)
    scene.after = undisturbed(scene, tmp_path, clean=how != "extended")
    return scene


def undisturbed(scene: Scene, tmp_path: Path, *, clean: bool) -> State | None:
    """What a clean build of the folder serves; or, of an index that is extended, one that nothing befalls."""
    other = Shelf(scene.source, tmp_path / "undisturbed")
    if not clean:
        shutil.copytree(scene.template, other.data)
    other.build(**scene.options)
    found = state_of(other.data)
    if not clean:
        assert (other.live_folder / "vectors.faiss").stat().st_nlink > 1, "nothing was extended"
    return found


def with_old_generations(scene: Scene) -> None:
    """Have the template hold two generations more than are kept: they were being read when others were published."""
    shelf = Shelf(scene.source, scene.template)
    held = [lease(shelf.layout, name) for name in shelf.layout.names()]
    for number in range(2):
        shelf.write("nets.txt", f"A net is mended on day {number}.")
        shelf.build()
    scene.before = state_of(shelf.data)
    for one in held:
        assert one is not None
        one.close()
    shelf.write("nets.txt", _CHANGE)


def fails(act: Callable[[], object]) -> bool:
    """Whether a check fails, as it has to in a null control."""
    try:
        act()
    except Exception:  # noqa: BLE001 - however it shows that something is wrong
        return True
    return False


def _text(number: int) -> str:
    subject, other = _SUBJECTS[number % 5], _SUBJECTS[number // 5 % 5]
    return "\n\n".join(
        f"The {subject} number {number} was seen from the {other} in {1500 + number + part}. The keeper {number} climbs"
        f" ninety steps to the {_SUBJECTS[(number + part) % 5]}, and part {part} of the rope is {number * 7} yards."
        for part in range(2)
    )
