"""Folder -> published generation.

A build starts from the live generation and does only what is new. Everything is written to a staging folder, sealed,
read back and then published by one rename; killed at any instant it leaves the old generation live, and the vectors
made so far are not made again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from index import lexical
from index.ahead import Ahead
from index.changes import look, unchanged
from index.embed import embed
from index.errors import CorruptGeneration, IncompatibleIndex, NoGeneration
from index.extend import Base, base_of, is_worth_extending, linked, no_base, take_over
from index.files import replace_file
from index.generation import (
    Generation,
    Layout,
    adopt,
    afterwards,
    collect,
    hold_back,
    newest_whole,
    publish,
    read_current,
    sweep,
    writer_lock,
)
from index.ingest import BuildOptions, Ingest, fits
from index.journal import Journal
from index.manifest import read_manifest, seal
from index.parse.sandbox import Sandbox
from index.room import make_sure_of_room
from index.schema import KnownFile
from index.store import Store
from index.store_writer import Writer
from index.types import Encoder, GateOutcome, IngestReport, Skipped
from index.vectors import VectorCard
from index.walk import FoundFile, walk

Gate = Callable[[Generation, Generation | None, IngestReport], GateOutcome]
"""Given a generation that is ready to be published, the one to be replaced, and the report: whether it may be. It says
so by an outcome; what it raises ends the build, and nothing is published."""

Progress = Callable[[str, int, int], None]
"""Called with a phase (loading, scanning, parsing, embedding, writing, evaluating, publishing), how much is done, and
of how much; 0 of 0 when that is not known."""


def build(
    options: BuildOptions, encoder: Encoder, progress: Progress = lambda *_: None, gate: Gate | None = None
) -> IngestReport:
    """Bring the index up to date with the source folder and publish it; the report says what was done.

    A generation that does not pass ``gate`` is held back and the live one stays. When nothing changed nothing is
    published and the report names the live generation. Raises SourceError when the folder is missing or holds no
    document, NeedsConfirmation when much of what is served is gone from it, Busy when another process writes, DiskFull,
    ReadOnly and DiskFailed when the disk does not take what is to be written."""
    started = time.monotonic()
    layout = Layout(options.data)
    with writer_lock(layout):
        layout.generations.mkdir(exist_ok=True, mode=0o700)
        sweep(layout)
        found = _previous(layout)
        served = found.store.known_files() if found is not None else _last_known_files(layout)
        if found is not None and options.full:
            found.close()
        previous = None if options.full else found
        staged = Path(tempfile.mkdtemp(prefix=".staging-", dir=layout.generations))
        journal = Journal(layout.journal, encoder, start_anew=options.full)
        try:
            scanned = _scan(options, encoder, previous, progress)
            report = scanned.unchanged
            if report is not None and _is_live(layout, previous, encoder):
                named = "" if options.plan else report.generation
                return _ended(layout, options, replace(report, generation=named, seconds=_since(started)), journal)
            # Where nothing that is there can be served, as of an older format, a full disk leaves things no worse.
            if options.check_room and not options.plan and (found is not None or not layout.names()):
                texts = previous if fits(previous, options, encoder) else None
                make_sure_of_room(layout, scanned.files, texts, scanned.base, encoder)
            ingest, report = _ingest(options, encoder, previous, served, scanned, staged, journal, progress)
            if not options.plan and not _is_unchanged(layout, options, encoder, report, previous):
                card = _write_vectors(options, encoder, ingest, scanned.base, staged, previous, journal, progress)
                report = replace(report, seconds=_since(started), published=True)
                report, digest = _seal(
                    layout, encoder, ingest, card, staged, report, previous if scanned.base.rows else None
                )
                outcome = _asked(gate, staged, previous, report, progress)
                report = replace(report, gate=outcome, seconds=_since(started))
                if outcome is None or outcome.passed:
                    progress("publishing", 0, 0)
                    adopt(layout, staged, report.generation)
                    publish(layout, report.generation, digest)
                    with afterwards():
                        collect(layout, report.generation)
                else:
                    hold_back(layout, staged)
                    report = replace(report, generation=previous.name if previous else "", published=False)
            elif not options.plan:
                assert previous is not None  # something is unchanged
                report = replace(report, generation=previous.name, seconds=_since(started))
            return _ended(layout, options, report, journal)
        finally:
            try:
                journal.close()  # tries again to write what a full disk has refused
            finally:
                shutil.rmtree(staged, ignore_errors=True)
                if previous is not None:
                    previous.close()


def _ended(layout: Layout, options: BuildOptions, report: IngestReport, journal: Journal) -> IngestReport:
    """``report``, kept beside the generations unless it is of a plan."""
    if options.plan:
        return report
    with afterwards():
        if report.published or report.gate is None:  # what was held back is asked for again
            shutil.rmtree(layout.held, ignore_errors=True)  # of an earlier state of the folder
            journal.discard()
    with afterwards():
        replace_file(layout.report, json.dumps(asdict(report), indent=1) + "\n")
    return report


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _last_known_files(layout: Layout) -> dict[bytes, KnownFile]:
    """The documents of the newest generation whose list of them can be read, where none can be started from: what has
    vanished since would be deleted all the same."""
    for name in reversed(layout.names()):
        path = layout.generation(name) / "documents.db"
        if path.is_file():
            try:
                with closing(Store(path.resolve())) as store:
                    return store.known_files()
            except CorruptGeneration:
                continue
    return {}


def _previous(layout: Layout) -> Generation | None:
    """The generation to start from: the live one, the newest whole one if that is damaged, or none."""
    try:
        name, digest = read_current(layout)
        return Generation(layout.generation(name), digest, in_memory=False)
    except (NoGeneration, IncompatibleIndex):
        return None
    except CorruptGeneration:
        return _another(layout)


def _another(layout: Layout) -> Generation | None:
    failed: set[str] = set()
    while True:
        try:
            name, digest = newest_whole(layout, failed)
        except NoGeneration:
            return None
        try:
            return Generation(layout.generation(name), digest, in_memory=False)
        except CorruptGeneration:
            failed.add(name)


@dataclass(frozen=True, slots=True)
class _Scanned:
    files: list[FoundFile]
    skipped: list[Skipped]
    base: Base  # what is taken over as it is
    unchanged: IngestReport | None  # the report, where nothing is to be done


def _scan(options: BuildOptions, encoder: Encoder, previous: Generation | None, progress: Progress) -> _Scanned:
    progress("scanning", 0, 0)
    files, skipped = walk(options.source, exclude=options.data, max_bytes=options.max_file_bytes)
    if previous is None or not fits(previous, options, encoder):
        return _Scanned(files, skipped, no_base(options.data), None)
    changes = look(files, previous)
    extends = is_worth_extending(previous, changes, extend_from=options.extend_from)
    base = base_of(previous) if extends else no_base(options.data)
    return _Scanned(files, skipped, base, unchanged(changes, skipped, previous))


def _ingest(
    options: BuildOptions,
    encoder: Encoder,
    previous: Generation | None,
    served: dict[bytes, KnownFile],
    scanned: _Scanned,
    staged: Path,
    journal: Journal,
    progress: Progress,
) -> tuple[Ingest, IngestReport]:
    base, files = scanned.base, scanned.files
    if base.rows:
        take_over(base, staged)
    writer = Writer(staged / "documents.db", (base.rows, base.sentence_rows) if base.rows else None)
    try:
        with (
            Sandbox(options.limits, options.sandbox) as sandbox,
            nullcontext() if options.plan else Ahead(encoder, journal, options.threads) as ahead,
        ):
            parse, extends = sandbox.parse, bool(base.rows)
            ingest = Ingest(
                options, encoder, previous, writer, journal, parse, scanned.skipped, extends=extends, ahead=ahead
            )
            progress("parsing", 0, len(files))
            for done, file in enumerate(files, 1):
                ingest.add(file)
                progress("parsing", done, len(files))
            ingest.take_in(lambda done, total: progress("embedding", done, total))
            ingest.finish(served)
            return ingest, ingest.report()
    finally:
        writer.close()


def _is_live(layout: Layout, previous: Generation | None, encoder: Encoder) -> bool:
    """Whether ``previous`` is the live generation, and not one that stands in for it; and goes by the encoder's name,
    which the server looks at."""
    if previous is None or previous.manifest.encoder["name"] != encoder.name:
        return False
    try:
        name, digest = read_current(layout)
        return read_manifest(layout.generation(name), digest).name == previous.name
    except CorruptGeneration:
        return False


def _is_unchanged(
    layout: Layout, options: BuildOptions, encoder: Encoder, report: IngestReport, previous: Generation | None
) -> bool:
    """Whether publishing would change nothing that anyone could see."""
    if previous is None or not fits(previous, options, encoder) or not _is_live(layout, previous, encoder):
        return False
    if report.added or report.changed or report.renamed or report.deleted:
        return False
    before = previous.manifest.report
    return list(report.skipped) == [Skipped(**skip) for skip in before["skipped"]] and (
        list(report.stale) == list(before["stale"])
    )


def _write_vectors(
    options: BuildOptions,
    encoder: Encoder,
    ingest: Ingest,
    base: Base,
    staged: Path,
    previous: Generation | None,
    journal: Journal,
    progress: Progress,
) -> VectorCard:
    store = Store((staged / "documents.db").resolve())
    try:
        card = embed(
            staged,
            store,
            ingest.sources,
            encoder,
            previous,
            journal,
            base,
            threads=options.threads,
            exact_rows=options.exact_rows,
            progress=lambda done, total: progress("embedding", done, total),
        )
        progress("writing", 0, 0)
        if base.rows:
            assert previous is not None
            gone = sorted(set(store.gone()) - set(previous.store.gone()))
            lexical.extend(base.folder / "lexical", staged / "lexical", gone, store.lexical_rows(base.rows))
        else:
            lexical.write(staged / "lexical", store.lexical_rows())
        return card
    finally:
        store.close()


def _asked(
    gate: Gate | None, staged: Path, previous: Generation | None, report: IngestReport, progress: Progress
) -> GateOutcome | None:
    if gate is None:
        return None
    progress("evaluating", 0, 0)
    candidate = Generation(staged, in_memory=False)
    try:
        return gate(candidate, previous, report)
    finally:
        candidate.close()


def _seal(
    layout: Layout,
    encoder: Encoder,
    ingest: Ingest,
    card: VectorCard,
    staged: Path,
    report: IngestReport,
    extended: Generation | None,
) -> tuple[IngestReport, str]:
    """The report with the generation's name, and the hash of its manifest."""
    name = f"{max([int(name) for name in layout.names()], default=0) + 1:06d}"
    report = replace(report, generation=name)
    digest = seal(
        staged,
        linked(staged, extended) if extended is not None else {},
        name=name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        counts={
            "documents": report.documents,
            "passages": report.passages,
            "sentences": report.sentences,
            "skipped": len(report.skipped),
            "passage_rows": ingest.rows[0],
            "sentence_rows": ingest.rows[1],
        },
        vectors=asdict(card),
        encoder={
            "name": encoder.name,
            "fingerprint": encoder.fingerprint,
            "dim": encoder.dim,
            "window": encoder.window,
            "max_tokens": ingest.max_tokens,
        },
        rules=ingest.rules,
        report=asdict(report),
    )
    return report, digest
