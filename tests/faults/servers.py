"""What campaigns load: documents that change with every build, and servers over them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from index.build import build
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from tests.fakes import FakeEncoder
from tests.faults.processes import Process, launched

_GATES = 12  # documents that another build finds changed, and that questions are about
_TRADES = ("coopers", "weavers", "pilots", "bakers", "smiths", "porters", "dyers", "glaziers")
_PLACES = ("Northquay", "Eastholm", "Sandwick", "Oldbridge", "Lower Fen", "Highmoor", "Saltmarsh", "Westering")
QUESTIONS = ("When was the harbour gate painted?", "Who painted the gate of the harbour?", "Which gate has a new bell?")


@dataclass
class Town:
    """A folder of documents and the index over it, built in this process with the fake encoder."""

    source: Path
    data: Path
    texts: dict[str, dict[str, str]] = field(default_factory=dict)  # generation -> document id -> text

    @property
    def layout(self) -> Layout:
        return Layout(self.data)

    def write(self, documents: int) -> None:
        """So many documents that stay as they are, and the gates."""
        for number in range(documents):
            trade, place = _TRADES[number % 8], _PLACES[number // 8 % 8]
            path = self.source / f"{number // 500:03d}" / f"{number:05d}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                f"The {trade} of {place} founded guild {number} in {1500 + number % 400}. "
                f"Their hall has {number % 90 + 2} windows.\n\nA master there keeps {number % 7 + 1} apprentices.\n"
            )
        self.paint(0)

    def paint(self, time: int) -> None:
        """Another text in every gate's document, at other offsets, so that a mixture cannot go unseen."""
        self.source.mkdir(exist_ok=True)
        for gate in range(_GATES):
            (self.source / f"gate-{gate}.txt").write_text(
                f"{'Note. ' * ((time + gate) % 5)}"
                f"The harbour gate {gate} was painted in {1800 + time} by hand {time}.\n\n"
                f"{'Mind. ' * ((time * 3 + gate) % 4)}Gate {gate} has a new bell of {time + 40} pounds.\n"
            )

    def publish(self, **options: Any) -> str:
        """Build; the name of the generation that is live now, whose texts are known from then on."""
        report = build(BuildOptions(self.source, self.data, **{"threads": 1, **options}), FakeEncoder())
        assert report.published
        self.note()
        return report.generation

    def note(self) -> None:
        """Learn the texts of the live generation."""
        name, digest = read_current(self.layout)
        known = {key: text for texts in self.texts.values() for key, text in texts.items()}
        generation = Generation(self.layout.generation(name), digest)
        try:
            ids = [document.document_id for document in generation.store.documents()]
            self.texts[name] = {one: known.get(one) or generation.store.text(one) for one in ids}
        finally:
            generation.close()
        while len(self.texts) > 40:  # answers are checked long before
            self.texts.pop(next(iter(self.texts)))

    def copy(self, where: Path) -> Town:
        """The same town elsewhere, free to change."""
        shutil.copytree(self.source, where / "documents")
        shutil.copytree(self.data, where / "data")
        return Town(where / "documents", where / "data", dict(self.texts))


def make_town(where: Path, documents: int) -> Town:
    town = Town(where / "documents", where / "data")
    town.write(documents)
    town.publish()
    return town


@contextmanager
def serving(town: Town, **told: Any) -> Iterator[Process]:
    """A server over ``town`` on a free port; ``told`` are settings and what tests.faults.loaded_server takes."""
    log = town.data.with_name("server.log")
    asked = json.dumps({"source": str(town.source), "data": str(town.data), **told})
    command = [sys.executable, "-m", "tests.faults.loaded_server", asked]
    with launched(command, log) as server:
        yield server
