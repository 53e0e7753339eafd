"""``footnote bench index``: how fast a folder is indexed from nothing, looked through, and brought up to date."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from api.speed.builds import Built, timed_build
from api.speed.child import Ran, in_child
from api.speed.reports import Bench
from eval.benchmarks.files import write_documents
from eval.benchmarks.speed.synthetic import load_hashing
from eval.benchmarks.speed.text import Text, read_text
from eval.benchmarks.speed.types import Panel, SpeedReport, Table, mebibytes, number, spread

_TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown")
_LINE = "\n\nThis line was added by footnote bench, and nothing else in the document was changed.\n"


def bench_index(bench: Bench, data: Path, *, repeats: int = 3, files: int = 10_000) -> SpeedReport:
    """Build an index of the documents in ``data`` from nothing ``repeats`` times; change one document; look through
    ``files`` generated ones of which none has changed. Documents are copied first and ``data`` is only read."""
    text = read_text(data, bench.settings.data)
    work = bench.folder / "index-work"
    write_documents(work / "documents", text.files)
    whole: list[Ran[Built]] = []
    for done in range(repeats):
        bench.told("building", done, repeats)
        shutil.rmtree(work / "data", ignore_errors=True)
        whole.append(in_child(timed_build, bench.options(work / "documents", work / "data", full=True), bench.load))
    bench.told("one document changed", 0, 1)
    changed = _after_a_change(bench, text, work)
    bench.told("scanning", 0, 1)
    first, again = _unchanged(bench, work, files)
    shutil.rmtree(work, ignore_errors=True)
    return _report(bench, text, whole, changed, first, again)


def _after_a_change(bench: Bench, text: Text, work: Path) -> Built:
    """A line is added to the document in the middle by size; where no document is plain text, one joins them."""
    known = sorted(
        (source for source in text.files if source.endswith(_TEXT_SUFFIXES)), key=lambda s: len(text.files[s])
    )
    source = known[len(known) // 2] if known else "added-by-bench.txt"
    with (work / "documents" / source).open("ab") as stream:
        stream.write(_LINE.encode())
    return in_child(timed_build, bench.options(work / "documents", work / "data"), bench.load).value


def _unchanged(bench: Bench, work: Path, files: int) -> tuple[Built, Built]:
    small = {
        f"{i // 1000:03d}/{i:06d}.txt": f"Note {i}. The gauge read {i * 37 % 1009}.\n".encode() for i in range(files)
    }
    write_documents(work / "small", small)
    options = bench.options(work / "small", work / "small-data")
    first, again = (in_child(timed_build, options, load_hashing).value for _ in range(2))
    return first, again


def _report(
    bench: Bench, text: Text, whole: list[Ran[Built]], changed: Built, first: Built, again: Built
) -> SpeedReport:
    rate = spread(text.characters / 1000 / ran.value.build_s for ran in whole)
    seconds = spread(ran.value.build_s for ran in whole)
    peak = max(ran.peak_rss for ran in whole)
    phases = {phase: spread(ran.value.phases_s.get(phase, 0.0) for ran in whole) for phase in whole[0].value.phases_s}
    one = whole[0].value
    values = {
        "text": {"name": text.name, "files": len(text.files), "characters": text.characters},
        "rate_kchars_s": asdict(rate),
        "build_s": asdict(seconds),
        "load_s": asdict(spread(ran.value.load_s for ran in whole)),
        "phases_s": {phase: asdict(took) for phase, took in phases.items()},
        "peak_rss_bytes": peak,
        "builds": [asdict(ran.value) | {"peak_rss_bytes": ran.peak_rss} for ran in whole],
        "one_document_changed": asdict(changed),
        "nothing_changed": asdict(again) | {"files": first.documents, "first_build_s": first.build_s},
    }
    rows = [
        ("text indexed, thousand characters/s", str(rate)),
        ("whole build, s", str(seconds)),
        *((f"  {phase}, s", str(took)) for phase, took in phases.items()),
        ("most memory of the build, MB", mebibytes(peak)),
        ("one document changed, to published, s", number(changed.build_s)),
        ("  passages embedded for it", str(changed.passages_embedded)),
        (f"nothing changed in {first.documents:,} files, s", number(again.build_s)),
        ("  passages embedded for it", str(again.passages_embedded)),
    ]
    title = (
        f"{text.name}: {text.characters:,} characters in {len(text.files)} files, {one.passages} passages, "
        f"{one.sentences} sentences; {len(whole)} builds from nothing"
    )
    notes = [
        "Loading the encoder comes before a build and is not part of it. Every character is embedded, but for copies.",
        "The files of which none has changed were indexed with a synthetic encoder: no passage of them is embedded.",
    ]
    panels = [
        Panel(
            "Text indexed, thousand characters/s",
            "",
            tuple((f"build {i}", text.characters / 1000 / ran.value.build_s) for i, ran in enumerate(whole, 1)),
        ),
        Panel("Where the time goes", "s", tuple((phase, took.median) for phase, took in phases.items())),
    ]
    return bench.finish("index", values, [Table(title, ("measure", "median (range)"), tuple(rows))], panels, notes)
