"""What a build does, what it costs, and what it says of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index.errors import BuildFailed, EncoderError, SourceError
from index.generation import newest_whole
from index.ingest import BuildOptions
from index.parse import Limits
from index.parse.sandbox import Sandbox
from index.types import EncodedPassage, Encoder, IngestReport, Parsed, Skipped
from index.walk import FoundFile, Stat, read
from index.worker import build_in_child
from tests.fakes import FakeEncoder, make_fake_encoder
from tests.index.shelf import LAMPS, ROPES, TIDES, Shelf

BROKEN_PDF = b"%PDF-1.7\nand then nothing of the kind"


def texts(*documents: str) -> list[str]:
    return sorted(document.strip() for document in documents)


def counts(report: IngestReport) -> IngestReport:
    """The report, but for what a plan cannot know."""
    return replace(report, generation="", published=False, seconds=0.0)


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sources of the files read from now on."""
    seen: list[str] = []
    real = read

    def noting(root: Path, file: FoundFile, *, max_bytes: int) -> tuple[bytes, Stat]:
        seen.append(file.source)
        return real(root, file, max_bytes=max_bytes)

    monkeypatch.setattr("index.ingest.read", noting)
    return seen


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The contents parsed from now on."""
    seen: list[bytes] = []
    real = Sandbox.parse

    def noting(self: Sandbox, data: bytes, suffix: str) -> Parsed:
        seen.append(data)
        return real(self, data, suffix)

    monkeypatch.setattr(Sandbox, "parse", noting)
    return seen


# -- each change costs what changed ----------------------------------------------------------------------------------


def test_the_first_build_takes_in_everything(empty_shelf: Shelf) -> None:
    empty_shelf.write("tides.txt", TIDES)
    empty_shelf.write("notes/lamps.txt", LAMPS)
    report = empty_shelf.build()
    assert empty_shelf.embedded == texts(TIDES, LAMPS)
    assert empty_shelf.texts() == {"notes/lamps.txt": LAMPS, "tides.txt": TIDES}
    assert (report.generation, report.published) == ("000001", True)
    assert report.added == ("notes/lamps.txt", "tides.txt")
    assert (report.documents, report.passages, report.sentences) == (2, 2, 4)
    assert (report.passages_embedded, report.passages_reused) == (2, 0)
    assert report.chars_embedded == len(TIDES.strip()) + len(LAMPS.strip())


def test_an_added_file_costs_itself(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended on Mondays.")
    report = shelf.build()
    assert shelf.embedded == ["Nets are mended on Mondays."]
    assert (report.added, report.unchanged, report.documents) == (("nets.txt",), 3, 4)
    assert shelf.ask("Who mended nets?")[0].passage.document.source == "nets.txt"


def test_a_changed_file_costs_the_passages_that_changed(shelf: Shelf) -> None:
    paragraph = "The warden counted {} boats, {} carts and {} barrels before the bell rang twice that day."
    lines = [paragraph.format(i, i * 3, i * 7) for i in range(12)]
    shelf.write("log.txt", "\n\n".join(lines))
    first = shelf.build()
    lines[5] = "The warden was ill and counted nothing at all before the bell rang twice that day."
    shelf.write("log.txt", "\n\n".join(lines))
    report = shelf.build()
    assert report.changed == ("log.txt",) and report.added == ()
    assert 1 <= report.passages_embedded <= 3 < first.passages_embedded
    assert any(lines[5] in text for text in shelf.embedded)
    assert len(shelf.embedded) == report.passages_embedded


def test_an_encoder_that_goes_by_another_name_is_written_down(shelf: Shelf) -> None:
    """The server refuses an index whose encoder it does not know by name; a build must mend that."""
    named = FakeEncoder()
    named.name = "moved"
    report = shelf.build(named)
    assert (report.published, report.passages_embedded) == (True, 0)
    with shelf.open() as generation:
        assert generation.manifest.encoder["name"] == "moved"


def test_a_renamed_file_costs_nothing(shelf: Shelf) -> None:
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    report = shelf.build()
    assert shelf.embedded == []
    assert (report.renamed, report.added, report.deleted) == ((("tides.txt", "moon.txt"),), (), ())
    assert (report.passages_embedded, report.passages_reused, report.unchanged) == (0, 3, 2)
    assert set(shelf.texts()) == {"lamps.txt", "moon.txt", "ropes.txt"}


def test_a_deleted_file_is_gone_from_answers_and_soon_from_the_disk(shelf: Shelf) -> None:
    (shelf.source / "tides.txt").unlink()
    report = shelf.build()
    assert (shelf.embedded, report.deleted, report.documents) == ([], ("tides.txt",), 2)
    assert all(hit.passage.document.source != "tides.txt" for hit in shelf.ask("When does the tide turn?"))
    shelf.write("nets.txt", "Nets are mended.")
    shelf.build()
    assert not any(b"tide turns" in path.read_bytes() for path in shelf.data.rglob("*") if path.is_file())


def test_the_same_text_under_two_names_is_embedded_once_and_found_once(shelf: Shelf) -> None:
    shelf.write("copy.txt", TIDES)
    report = shelf.build()
    assert shelf.embedded == []
    assert report.duplicates == (("tides.txt", "copy.txt"),)
    assert (report.documents, report.passages) == (4, 3)
    found = [hit.passage for hit in shelf.ask("When does the tide turn?")]
    assert [passage.text for passage in found].count(TIDES) == 1
    assert found[0].document.source == "copy.txt"  # the first of the two
    with shelf.open() as generation:
        documents = {doc.source: doc.duplicate_of for doc in generation.store.documents()}
        assert documents == {"copy.txt": "", "lamps.txt": "", "ropes.txt": "", "tides.txt": "copy.txt"}
        (tides,) = generation.store.resolve(["tides.txt"])
        (passage,) = generation.store.passages([found[0].row], among=[tides])
        assert passage.document.source == "tides.txt"  # asked for by name, it is shown by that name


def test_the_same_text_in_other_bytes_is_named_as_a_duplicate_too(shelf: Shelf) -> None:
    shelf.write("bom.txt", b"\xef\xbb\xbf" + TIDES.encode())
    report = shelf.build()
    assert (shelf.embedded, report.duplicates) == ([], (("tides.txt", "bom.txt"),))


def test_text_that_comes_back_is_not_parsed_while_it_is_known(shelf: Shelf, parsed: list[bytes]) -> None:
    shelf.write("again.txt", LAMPS)
    (shelf.source / "tides.txt").write_text(ROPES)
    report = shelf.build()
    assert parsed == [] and shelf.embedded == []
    assert (report.changed, report.added) == (("tides.txt",), ("again.txt",))


def test_one_build_may_find_all_of_it_at_once(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    shelf.write("lamps.txt", "The lamp is out.")
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    (shelf.source / "ropes.txt").unlink()
    report = shelf.build()
    assert shelf.embedded == ["Nets are mended.", "The lamp is out."]
    assert (report.added, report.changed, report.deleted) == (("nets.txt",), ("lamps.txt",), ("ropes.txt",))
    assert report.renamed == (("tides.txt", "moon.txt"),)
    assert report.unchanged == 0


# -- no change --------------------------------------------------------------------------------------------------------


def test_without_a_change_nothing_is_read_embedded_or_published(shelf: Shelf, read_files: list[str]) -> None:
    before = shelf.files()
    report = shelf.build()
    assert (read_files, shelf.embedded) == ([], [])
    assert (report.published, report.generation, report.unchanged) == (False, "000001", 3)
    assert [name for name, seen in shelf.files().items() if seen != before.get(name)] == ["ingest-report.json"]


def test_a_touch_without_a_change_embeds_and_publishes_nothing(shelf: Shelf, read_files: list[str]) -> None:
    os.utime(shelf.source / "tides.txt", (1, 1))
    report = shelf.build()
    assert read_files == ["tides.txt"]  # only its bytes can tell
    assert (shelf.embedded, report.published, report.changed) == ([], False, ())


def test_a_change_that_keeps_size_and_time_is_found(shelf: Shelf) -> None:
    path = shelf.source / "tides.txt"
    before = path.stat()
    path.write_text(TIDES.replace("noon", "nine"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shelf.build().changed == ("tides.txt",)


def test_full_starts_from_nothing(shelf: Shelf) -> None:
    report = shelf.build(full=True)
    assert shelf.embedded == texts(TIDES, LAMPS, ROPES)
    assert (report.generation, report.published, report.passages_reused) == ("000002", True, 0)


# -- a plan -----------------------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_and_says_what_the_build_then_does(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    shelf.write("broken.pdf", BROKEN_PDF)
    shelf.write("copy.txt", ROPES)
    shelf.write("lamps.txt", "The lamp is out.")
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    before = shelf.files()
    plan = shelf.build(plan=True)
    assert (shelf.files(), shelf.embedded) == (before, [])
    assert (plan.generation, plan.published) == ("", False)
    report = shelf.build()
    assert counts(plan) == counts(report)
    assert report.published and len(report.added) == 2


def test_a_plan_for_a_new_index_leaves_none_behind(empty_shelf: Shelf) -> None:
    empty_shelf.write("tides.txt", TIDES)
    plan = empty_shelf.build(plan=True)
    assert (plan.added, plan.passages_embedded) == (("tides.txt",), 1)
    assert empty_shelf.files() == {} and empty_shelf.layout.names() == []


# -- files that cannot be indexed -------------------------------------------------------------------------------------


def test_a_broken_file_is_skipped_with_a_reason_and_the_others_are_indexed(empty_shelf: Shelf) -> None:
    empty_shelf.write("broken.pdf", BROKEN_PDF)
    empty_shelf.write("blank.txt", " \n\n")
    empty_shelf.write("tides.txt", TIDES)
    (empty_shelf.source / "link.txt").symlink_to("tides.txt")
    report = empty_shelf.build()
    reasons = [(skip.source, skip.reason) for skip in report.skipped]
    assert reasons == [("blank.txt", "empty"), ("broken.pdf", "corrupt"), ("link.txt", "symlink")]
    assert set(empty_shelf.texts()) == {"tides.txt"}


def test_a_broken_file_is_not_parsed_again_until_it_changes(shelf: Shelf, parsed: list[bytes]) -> None:
    shelf.write("broken.pdf", BROKEN_PDF)
    first = shelf.build()
    assert parsed == [BROKEN_PDF]
    again = shelf.build()
    assert parsed == [BROKEN_PDF]
    assert (again.published, again.skipped) == (False, first.skipped)
    shelf.write("broken.pdf", BROKEN_PDF + b" still")
    shelf.build()
    assert len(parsed) == 2


def test_a_raised_limit_lets_a_file_in_that_was_left_out(empty_shelf: Shelf) -> None:
    empty_shelf.write("tides.txt", TIDES)
    empty_shelf.write("long.txt", "A long story. " * 100)
    report = empty_shelf.build(limits=Limits(max_text_chars=1000))
    assert [(skip.source, skip.reason) for skip in report.skipped] == [("long.txt", "text_too_large")]
    assert empty_shelf.build().added == ("long.txt",)


def test_a_file_that_no_longer_parses_keeps_its_last_good_version(shelf: Shelf) -> None:
    shelf.write("table.csv", "port,depth\nOslo,12\n")
    shelf.build()
    table = shelf.texts()["table.csv"]
    with shelf.open() as generation:
        (before,) = (doc for doc in generation.store.documents() if doc.source == "table.csv")
    shelf.write("table.csv", b"\x7fELF\x00\x00\x00\x00" * 40)
    report = shelf.build()
    assert [(skip.source, skip.reason) for skip in report.skipped] == [("table.csv", "binary")]
    assert (report.stale, report.changed, report.deleted) == (("table.csv",), (), ())
    assert shelf.texts()["table.csv"] == table

    shelf.write("nets.txt", "Nets are mended.")  # it stays so over further builds, as it was
    assert shelf.build().stale == ("table.csv",)
    with shelf.open() as generation:
        (after,) = (doc for doc in generation.store.documents() if doc.source == "table.csv")
    assert replace(after, warnings=()) == before
    assert after.warnings == ("stale: binary",)

    shelf.write("table.csv", "port,depth\nOslo,13\n")
    report = shelf.build()
    assert (report.stale, report.changed, report.skipped) == ((), ("table.csv",), ())


def test_a_file_that_is_now_empty_is_not_served(shelf: Shelf) -> None:
    shelf.write("tides.txt", "")
    report = shelf.build()
    assert (report.deleted, report.stale) == (("tides.txt",), ())
    assert report.skipped == (Skipped("tides.txt", "empty", "the file holds no text"),)


def test_a_file_that_grew_beyond_the_limit_keeps_its_last_version(shelf: Shelf) -> None:
    shelf.write("tides.txt", TIDES * 100)
    report = shelf.build(max_file_bytes=1000)
    assert (report.stale, report.deleted) == (("tides.txt",), ())
    assert shelf.texts()["tides.txt"] == TIDES


def test_a_folder_that_cannot_be_opened_deletes_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.write("notes/nets.txt", "Nets are mended.")
    shelf.write("notes-2.txt", "Not below it.")
    shelf.build()
    (shelf.source / "notes-2.txt").unlink()
    scandir = os.scandir

    def refuse(folder: Any) -> Any:
        if isinstance(folder, bytes) and folder.endswith(b"/notes"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("index.walk.os.scandir", refuse)
    report = shelf.build()
    assert (report.stale, report.deleted) == (("notes/nets.txt",), ("notes-2.txt",))
    assert [(skip.source, skip.reason) for skip in report.skipped] == [("notes", "unreadable")]
    assert "notes/nets.txt" in shelf.texts()
    monkeypatch.undo()
    report = shelf.build()
    assert (report.stale, report.unchanged, shelf.embedded) == ((), 4, [])


def _empty(source: Path) -> None:
    for path in source.iterdir():
        path.unlink()


def _remove(source: Path) -> None:
    source.rename(source.with_name("aside"))


def _only_broken(source: Path) -> None:
    _empty(source)
    (source / "broken.pdf").write_bytes(BROKEN_PDF)


@pytest.mark.parametrize("damage", [_empty, _remove, _only_broken])
def test_a_folder_without_documents_is_refused_and_the_index_kept(shelf: Shelf, damage: Callable[[Path], None]) -> None:
    damage(shelf.source)
    before = shelf.files()
    for full in (False, True):
        with pytest.raises(SourceError):
            shelf.build(full=full)
    assert shelf.files() == before
    assert shelf.ask("When does the tide turn?")[0].passage.text == TIDES


# -- other encoders, other rules --------------------------------------------------------------------------------------


def test_another_encoder_embeds_everything_anew(shelf: Shelf) -> None:
    other = FakeEncoder("other", dim=32)
    report = shelf.build(other)
    assert shelf.embedded == texts(TIDES, LAMPS, ROPES)
    assert (report.published, report.passages_reused) == (True, 0)
    assert (report.added, report.changed, report.deleted, report.unchanged) == ((), (), (), 3)
    with shelf.open() as generation:
        assert generation.manifest.encoder["fingerprint"] == other.fingerprint
        assert generation.vectors.rows([0]).shape == (1, 32)


class LetterEncoder(FakeEncoder):
    """Every letter is a token: the same window holds less."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [(i, i + 1) for i, char in enumerate(text) if not char.isspace()]


def test_another_encoder_cuts_by_its_own_tokens(shelf: Shelf) -> None:
    shelf.build(LetterEncoder("letters"))  # the fake refuses a passage longer than its window
    with shelf.open() as generation:
        assert generation.store.longest_passage() <= 40
        assert all(covered == chars for _, chars, covered, _ in generation.store.coverage())


def test_other_passage_rules_cut_anew_and_embed_what_came_out_new(shelf: Shelf) -> None:
    shelf.write("note.txt", "Short.")
    shelf.build()
    report = shelf.build(max_tokens=8)
    with shelf.open() as generation:
        assert generation.store.longest_passage() <= 8
    assert report.published and "Short." not in shelf.embedded
    assert report.passages_reused == 1
    assert (report.added, report.changed, report.unchanged) == ((), (), 4)
    assert shelf.texts()["tides.txt"] == TIDES


def test_a_window_wider_than_the_encoder_has_is_the_encoders(shelf: Shelf) -> None:
    assert shelf.build(max_tokens=10_000).published is False


# -- after a crash or damage ------------------------------------------------------------------------------------------


def test_what_an_interrupted_build_left_is_swept_even_when_there_is_nothing_to_do(shelf: Shelf) -> None:
    stray = shelf.layout.generations / ".staging-abc"
    (stray / "lexical").mkdir(parents=True)
    (stray / "documents.db").write_bytes(b"half a file")
    (shelf.data / "CURRENT.tmp").write_text("000009 ")
    assert shelf.build().published is False
    assert not stray.exists() and not (shelf.data / "CURRENT.tmp").exists()


@pytest.mark.parametrize("content", [None, b"", b"junk", b"000007 " + b"0" * 64, b"\xff\xfe\x00"])
def test_a_damaged_current_is_mended_without_embedding_anything(shelf: Shelf, content: bytes | None) -> None:
    if content is None:
        shelf.layout.current.unlink()
    else:
        shelf.layout.current.write_bytes(content)
    report = shelf.build()
    assert (report.published, report.generation, shelf.embedded) == (True, "000002", [])
    assert shelf.live == "000002"


def test_a_current_with_a_damaged_hash_is_mended(shelf: Shelf) -> None:
    shelf.layout.current.write_text(f"000001 {'0' * 64}\n")
    assert shelf.build().published is True
    assert (shelf.live, newest_whole(shelf.layout)[0]) == ("000002", "000002")


def test_a_damaged_live_generation_is_replaced_from_the_one_before(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    shelf.build()
    (shelf.live_folder / "vectors.faiss").write_bytes(b"junk")
    report = shelf.build()
    assert (report.generation, shelf.embedded) == ("000003", ["Nets are mended."])
    assert shelf.ask("mended nets")[0].passage.document.source == "nets.txt"


def test_what_is_written_is_for_the_owner_alone(shelf: Shelf) -> None:
    assert shelf.data.stat().st_mode & 0o077 == 0


# -- in a process of its own ------------------------------------------------------------------------------------------


def refuse_to_load() -> Encoder:
    raise EncoderError("No such encoder.", remedy="Name another.")


def break_down() -> Encoder:
    raise RuntimeError("something nobody thought of")


class Suicidal(FakeEncoder):
    def encode_passage(self, text: str, sentences: list[tuple[int, int]]) -> EncodedPassage:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_passage(text, sentences)


def die_while_embedding() -> Encoder:
    return Suicidal()


def test_a_build_in_a_child_does_what_a_build_does_and_says_how_far_it_is(shelf: Shelf, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    options = BuildOptions(shelf.source, tmp_path / "other", threads=1)
    report = build_in_child(options, make_fake_encoder, lambda *progress: heard.append(progress))
    assert counts(report) == replace(counts(shelf.build(full=True)), generation="")
    other = Shelf(shelf.source, tmp_path / "other")
    assert other.texts() == shelf.texts()
    for question in ("When does the tide turn?", "rope"):
        ours, theirs = shelf.ask(question), other.ask(question)
        assert [(hit.passage.passage_id, hit.score) for hit in ours] == [
            (hit.passage.passage_id, hit.score) for hit in theirs
        ]
    phases = list(dict.fromkeys(phase for phase, _, _ in heard))
    assert phases == ["loading", "scanning", "parsing", "embedding", "writing", "publishing"]
    assert ("parsing", 3, 3) in heard and ("embedding", 3, 3) in heard


@pytest.mark.parametrize(
    ("load", "error", "words"),
    [
        (refuse_to_load, EncoderError, "No such encoder. Name another."),
        (break_down, BuildFailed, "RuntimeError: something nobody thought of"),
        (die_while_embedding, BuildFailed, "exit code -9"),
    ],
)
def test_a_child_that_fails_says_so_and_the_old_generation_stays(
    shelf: Shelf, load: Callable[[], Encoder], error: type[Exception], words: str
) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    before = (shelf.live, shelf.ask("tide"))
    with pytest.raises(error) as caught:
        build_in_child(shelf.options(), load)
    assert words in str(caught.value)
    assert (shelf.live, shelf.ask("tide")) == before
    assert shelf.build().added == ("nets.txt",)  # the lock is free again, and nothing stands in the way
    assert not list(shelf.layout.generations.glob(".staging-*"))


def hungry() -> Encoder:
    """Wants a gigabyte before the first passage."""
    bytearray(1 << 30)
    return make_fake_encoder()


def test_a_build_takes_no_more_memory_than_it_may(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    before = shelf.live
    with pytest.raises(BuildFailed, match=r"more memory than it may take \(1000 MiB") as caught:
        build_in_child(shelf.options(max_memory_mb=1_000), hungry)
    assert "FOOTNOTE_MAX_MEMORY_MB" in caught.value.remedy
    assert shelf.live == before
    assert build_in_child(shelf.options(), hungry).added == ("nets.txt",)  # without the bound it has what it wants


def test_an_error_in_the_source_folder_comes_back_typed(shelf: Shelf) -> None:
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        build_in_child(BuildOptions(shelf.source / "gone", shelf.data), make_fake_encoder)
    assert "--source" in caught.value.remedy
    assert time.monotonic() - started < 9  # the child is not waited for until its deadline
