"""One folder with everything that a document can do to harm, among two hundred good ones: all the good ones answer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from index.build import build
from index.errors import SKIP_REASONS
from index.generation import Generation, Layout, read_current
from index.ingest import BuildOptions
from index.parse import Limits
from index.parse.sandbox import SandboxLimits
from index.search import make_query, search
from index.types import IngestReport
from tests.fakes import FakeEncoder
from tests.hostile.cases import CASES, ELSEWHERE
from tests.hostile.outcomes import ABSOLUTE, CANARY, Left, Outcome

# Smaller than those that are served with, so that the files can be small and the test short.
LIMITS = Limits(max_pages=50, max_passages=5_000)
SANDBOX = SandboxLimits(memory_mb=512, cpu_s=8, wall_s=12)
GOOD = 200
FORMS = {
    ".txt": "{}\n",
    ".md": "# Station {n}\n\n{}\n",
    ".html": "<html><body><h1>Station {n}</h1><p>{}</p></body></html>",
    ".csv": "station,fact\n{n},{}\n",
}


def fact(number: int) -> str:
    return f"The keeper of station S{number:03d} is called Keeper{number:03d}."


@dataclass(frozen=True, slots=True)
class Folder:
    source: Path
    data: Path
    expected: dict[str, Outcome]
    first: IngestReport

    def build(self) -> IngestReport:
        return build(self.options(), FakeEncoder())

    def options(self) -> BuildOptions:
        return BuildOptions(self.source, self.data, limits=LIMITS, sandbox=SANDBOX)

    def open(self) -> Generation:
        layout = Layout(self.data)
        return Generation(layout.generation(read_current(layout)[0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    root = tmp_path_factory.mktemp("hostile")
    source, data = root / "documents", root / "documents" / "data"  # the index lies inside the folder it indexes
    (source / "good").mkdir(parents=True)
    for number in range(GOOD):
        suffix = list(FORMS)[number % len(FORMS)]
        (source / "good" / f"{number:03d}{suffix}").write_text(FORMS[suffix].format(fact(number), n=number))
    expected: dict[str, Outcome] = {}
    for case in CASES:
        name = f"case-{case.rows[0]:02d}"
        expected |= {f"{name}/{path}": outcome for path, outcome in case.make(source / name).items()}
    report = build(BuildOptions(source, data, limits=LIMITS, sandbox=SANDBOX), FakeEncoder())
    return Folder(source, data, expected, report)


def test_every_kind_of_harm_is_in_the_folder_or_tested_elsewhere() -> None:
    made = [row for case in CASES for row in case.rows]
    assert sorted([*made, *ELSEWHERE]) == list(range(1, 63))


def test_each_file_comes_to_what_is_expected_of_it(folder: Folder) -> None:
    reasons = {skip.source: skip.reason for skip in folder.first.skipped}
    notes: dict[str, str] = {}
    for source, note in folder.first.warnings:
        notes[source] = f"{notes.get(source, '')}{note}; "
    wrong = {}
    generation = folder.open()
    texts = {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}
    generation.close()
    for source, outcome in folder.expected.items():
        if isinstance(outcome, Left):
            if reasons.get(source, "indexed") not in outcome:
                wrong[source] = f"{reasons.get(source, 'indexed')} and not {outcome.reasons}"
            continue
        told = texts.get(source, "") + notes.get(source, "")
        if source not in texts:
            wrong[source] = f"left out: {reasons.get(source)}"
        elif outcome.phrase not in texts[source]:
            wrong[source] = f"{outcome.phrase!r} is not in it"
        elif outcome.note not in notes.get(source, ""):
            wrong[source] = f"no note of {outcome.note!r} in {notes.get(source)!r}"
        elif outcome.without and outcome.without in told:
            wrong[source] = f"{outcome.without!r} is in it"
    assert wrong == {}
    assert not any(CANARY in text for text in texts.values())
    assert set(reasons.values()) <= set(SKIP_REASONS)


def test_every_good_document_answers(folder: Folder) -> None:
    generation, encoder = folder.open(), FakeEncoder()
    try:
        for number in range(GOOD):
            question = f"Who is called keeper of station S{number:03d}?"
            (best, *_) = search(generation, [make_query(question, encoder)], k=1)
            assert f"Keeper{number:03d}" in best.passage.text, best.passage.document.source
    finally:
        generation.close()


def test_a_second_build_reads_nothing_again_and_publishes_nothing(folder: Folder) -> None:
    read: list[str] = []

    def nothing(*arguments: object, **options: object) -> None:
        raise AssertionError("a file was read again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.ingest.read", nothing)
        again = folder.build()
    assert not again.published
    assert again.skipped == folder.first.skipped
    assert (again.added, again.changed, again.deleted, read) == ((), (), (), [])


def test_what_is_said_of_them_is_plain_json(folder: Folder) -> None:
    """No lone surrogate and no NUL, wherever a name or a text may have carried one in."""
    generation = folder.open()
    try:
        said = [json.dumps(asdict(folder.first), ensure_ascii=False)]
        for document in generation.store.documents():
            said += [json.dumps(asdict(document), ensure_ascii=False), generation.store.text(document.document_id)]
    finally:
        generation.close()
    for text in said:
        assert "\0" not in text and "\\u0000" not in text and "\\ud8" not in text.lower()
        text.encode()


def test_nothing_was_written_beside_the_index(folder: Folder) -> None:
    assert not (folder.source.parent / "climbed.txt").exists()
    assert not Path(ABSOLUTE).exists()
    assert not any(doc.startswith("data/") for doc in (*folder.first.added, *(s.source for s in folder.first.skipped)))


def test_a_good_version_stays_when_a_hostile_one_takes_its_place(folder: Folder) -> None:
    path = folder.source / "good" / "002.html"
    good = path.read_bytes()
    path.write_bytes(b"<div>" * 100_000)
    try:
        report = folder.build()
        assert report.stale == ("good/002.html",)
        generation = folder.open()
        texts = {doc.source: generation.store.text(doc.document_id) for doc in generation.store.documents()}
        generation.close()
        assert "Keeper002" in texts["good/002.html"]
    finally:
        path.write_bytes(good)
