"""Generations on disk: published in one step, checked before they are served, deleted when nobody reads them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from index import manifest as manifests
from index.errors import Busy, CorruptGeneration, IncompatibleIndex, NoGeneration, NotFound
from index.generation import Generation, collect, lease, listing, read_current, roll_back, writer_lock
from index.live import Library
from index.manifest import verify
from index.search import make_query, search
from tests.fakes import FakeEncoder
from tests.index.shelf import TIDES, Shelf


@pytest.fixture
def two(shelf: Shelf) -> Shelf:
    """Two generations; only the second, which is live, knows of nets."""
    shelf.write("nets.txt", "Nets are mended on Mondays.")
    shelf.build()
    return shelf


@contextmanager
def library(shelf: Shelf, encoder: str = "fake") -> Iterator[Library]:
    opened = Library(shelf.data, encoder=encoder)
    try:
        yield opened
    finally:
        opened.close()


def served(opened: Library) -> tuple[str, list[str]]:
    """Name of the generation served, and what it finds about nets."""
    with opened.pin() as generation:
        hits = search(generation, [make_query("Who mended the nets?", FakeEncoder())], k=1)
        return generation.name, [hit.passage.document.source for hit in hits]


def rewrite_manifest(folder: Path, **fields: Any) -> str:
    """Change a manifest as an honest writer would, checksum and all; returns its hash."""
    path = folder / "MANIFEST.json"
    body = json.loads(path.read_text()) | fields
    del body["checksum"]
    text = json.dumps({**body, "checksum": sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()})
    path.write_text(text)
    return sha256(text.encode()).hexdigest()


# -- damage is seen before it is served -------------------------------------------------------------------------------


def flip(position: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(position * (len(data) - 1))] ^= 0x10
        path.write_bytes(data)

    return damage


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def zero_page(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize(
    "damage",
    [flip(0), flip(0.3), flip(0.5), flip(0.8), flip(1), truncate, lengthen, zero_page, Path.unlink],
    ids=["first", "third", "middle", "late", "last", "shorter", "longer", "zeros", "gone"],
)
def test_damage_to_any_file_is_found_and_the_generation_before_is_served(
    two: Shelf, damage: Callable[[Path], None]
) -> None:
    files = files_of(two.live_folder)
    assert len(files) >= 10
    for path in files:
        whole = path.read_bytes()
        damage(path)
        assert not path.exists() or path.read_bytes() != whole
        with pytest.raises(CorruptGeneration, match="--full"):
            Generation(two.live_folder, read_current(two.layout)[1])
        with library(two) as opened:
            assert served(opened) != ("000002", ["nets.txt"])
            assert served(opened)[0] == "000001", path
            assert opened.corrupt == 1 and "000002" in opened.degraded
        path.write_bytes(whole)
    with library(two) as opened:
        assert served(opened) == ("000002", ["nets.txt"])
        assert (opened.corrupt, opened.degraded) == (0, "")


def test_a_manifest_that_lost_a_blank_still_vouches_for_its_files(two: Shelf) -> None:
    path = two.live_folder / "MANIFEST.json"
    path.write_bytes(path.read_bytes().rstrip())
    with library(two) as opened:
        assert served(opened) == ("000002", ["nets.txt"])
        assert opened.corrupt == 1 and opened.degraded


def test_a_foreign_file_is_found(two: Shelf) -> None:
    (two.live_folder / "lexical" / "notes.txt").write_text("not ours")
    with library(two) as opened:
        assert served(opened)[0] == "000001"
        assert "does not belong there" in opened.degraded


def test_a_file_of_another_generation_is_found(two: Shelf) -> None:
    for name in ("vectors.faiss", "documents.db", "sentences.f16", "MANIFEST.json"):
        path = two.live_folder / name
        whole = path.read_bytes()
        shutil.copyfile(two.layout.generation("000001") / name, path)
        with pytest.raises(CorruptGeneration):
            Generation(two.live_folder, read_current(two.layout)[1])
        path.write_bytes(whole)


def test_without_the_check_a_flipped_bit_would_be_served(two: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The null control: what the hashes are for."""
    (before,) = two.ask("Who mended the nets?", k=1)
    flip(0.9)(two.live_folder / "vectors.faiss")
    with pytest.raises(CorruptGeneration):
        two.ask("Who mended the nets?")
    monkeypatch.setattr("index.generation.verify", lambda folder, _="": manifests.read_manifest(folder))
    flipped = two.ask("Who mended the nets?")
    assert {hit.signals.dense for hit in flipped}.isdisjoint({before.signals.dense}) or flipped[0] != before


def test_a_disk_that_cannot_read_a_file_is_damage_too(two: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    real = manifests._hash_file

    def fail(path: Path) -> str:
        if path.parent.name == "000002" and path.name == "vectors.faiss":
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr("index.manifest._hash_file", fail)
    with library(two) as opened:
        assert served(opened)[0] == "000001"
        assert "Input/output error" in opened.degraded


def test_text_damaged_after_loading_is_never_given_out(two: Shelf) -> None:
    path = two.live_folder / "documents.db"
    with library(two) as opened, opened.pin() as generation:
        data = path.read_bytes()
        assert b"on Mondays" in data
        with path.open("r+b") as stream:
            stream.write(data.replace(b"on Mondays", b"on Sundays"))
        with pytest.raises(CorruptGeneration, match="damaged"):
            search(generation, [make_query("Who mended the nets?", FakeEncoder())], k=1)
        assert search(generation, [make_query("tide", FakeEncoder())], k=1, depth=1)[0].passage.text == TIDES


def test_when_no_generation_is_whole_nothing_is_served(two: Shelf) -> None:
    for name in two.layout.names():
        truncate(two.layout.generation(name) / "vectors.faiss")
    with library(two) as opened, pytest.raises(NoGeneration, match="whole"):
        served(opened)


def test_a_generation_in_memory_outlives_all_damage_on_disk(two: Shelf) -> None:
    with library(two) as opened:
        assert served(opened)[0] == "000002"
        shutil.rmtree(two.layout.generation("000001"))
        (two.layout.generation("000002") / "MANIFEST.json").unlink()
        two.layout.current.write_text("junk")
        assert served(opened) == ("000002", ["nets.txt"])
        assert opened.degraded
        shutil.rmtree(two.data)
        assert served(opened) == ("000002", ["nets.txt"])


# -- CURRENT ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"junk", b"\xff\xfe", b"000002", b"000007 " + b"0" * 64, b"../000001 " + b"0" * 64),
        *(b"000002 " + b"0" * 64, b"000001 " + b"0" * 64, b"000002 two words", bytes(72)),
        *(b"0" * 300 + b" " + b"a" * 64, b"000002 " * 1_000_000),  # no name of a file; longer than it can be
    ],
)
def test_a_damaged_current_leads_to_the_newest_whole_generation(two: Shelf, content: bytes) -> None:
    two.layout.current.write_bytes(content)
    with library(two) as opened:
        assert served(opened) == ("000002", ["nets.txt"])
        assert opened.corrupt == 1 and opened.degraded


def test_brackets_within_brackets_are_no_manifest(two: Shelf) -> None:
    (two.live_folder / "MANIFEST.json").write_bytes(b"[" * 200_000)
    with library(two) as opened:
        assert served(opened)[0] == "000001"


def test_a_lost_current_leads_to_the_newest_whole_generation(two: Shelf) -> None:
    two.layout.current.unlink()
    truncate(two.layout.generation("000002") / "sentences.f16")
    with library(two) as opened:
        assert served(opened)[0] == "000001"


def test_a_mended_current_is_followed_again(two: Shelf) -> None:
    good = two.layout.current.read_bytes()
    with library(two) as opened:
        assert served(opened)[0] == "000002"
        two.layout.current.write_bytes(b"junk")
        assert served(opened)[0] == "000002" and opened.degraded
        two.layout.current.write_bytes(good)
        assert served(opened)[0] == "000002" and not opened.degraded


def test_before_the_first_build_there_is_nothing(empty_shelf: Shelf) -> None:
    with library(empty_shelf) as opened, pytest.raises(NoGeneration, match="footnote index"):
        served(opened)


# -- made by another Footnote, or for another encoder -----------------------------------------------------------------


def test_another_format_is_refused_with_a_remedy_and_built_anew(two: Shelf) -> None:
    digest = rewrite_manifest(two.live_folder, format=99)
    two.layout.current.write_text(f"000002 {digest}\n")
    with library(two) as opened, pytest.raises(IncompatibleIndex, match=r"99.*footnote index"):
        served(opened)
    report = two.build()
    assert report.published and two.live == "000003"
    with library(two) as opened:
        assert served(opened) == ("000003", ["nets.txt"])


def test_an_index_of_another_encoder_is_refused_with_a_remedy(two: Shelf) -> None:
    with library(two, encoder="other") as opened, pytest.raises(IncompatibleIndex, match=r"'fake'.*footnote index"):
        served(opened)


def test_a_server_goes_on_when_somebody_builds_with_another_encoder(two: Shelf) -> None:
    with library(two) as opened:
        assert served(opened)[0] == "000002"
        two.build(FakeEncoder("other", dim=32))
        assert served(opened) == ("000002", ["nets.txt"])
        assert "'other'" in opened.degraded


def test_a_newer_manifest_with_fields_nobody_knows_is_no_crash(two: Shelf) -> None:
    digest = rewrite_manifest(two.live_folder, colour="red")
    two.layout.current.write_text(f"000002 {digest}\n")
    with pytest.raises(IncompatibleIndex):
        Generation(two.live_folder, digest)


# -- publishing -------------------------------------------------------------------------------------------------------


def test_everything_is_on_the_disk_before_current_names_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, str]] = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def noted_fsync(handle: int) -> None:
        events.append(("fsync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync(handle)

    def noted_replace(old: Any, new: Any) -> None:
        events.append(("replace", str(new)))
        replace(old, new)

    def noted_rename(old: Any, new: Any) -> None:
        events.append(("rename", str(new)))
        rename(old, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    monkeypatch.setattr(os, "rename", noted_rename)
    shelf.write("nets.txt", "Nets are mended.")
    shelf.build()
    monkeypatch.undo()

    published = events.index(("replace", str(shelf.layout.current)))
    adopted = events.index(("rename", str(shelf.live_folder)))
    synced = [Path(path) for what, path in events[:adopted] if what == "fsync"]
    (staged,) = {path for path in synced if path.name.startswith(".staging-")}
    for path in (shelf.live_folder, *shelf.live_folder.rglob("*")):
        assert staged / path.relative_to(shelf.live_folder) in synced, path
    assert synced.index(staged / "MANIFEST.json") > synced.index(staged / "documents.db")
    assert synced[-1] == staged
    assert ("fsync", str(shelf.layout.generations)) in events[adopted:published]
    assert any(what == "fsync" and Path(path).name.startswith("CURRENT") for what, path in events[adopted:published])
    assert ("fsync", str(shelf.data)) in events[published:]


def test_a_published_generation_never_changes(two: Shelf) -> None:
    def contents() -> dict[str, bytes]:
        folder = two.layout.generation("000002")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_of(folder)}

    before = contents()
    with library(two) as opened:
        served(opened)
    two.write("more.txt", "More.")
    two.build()
    roll_back(two.layout)
    assert contents() == before


# -- one writer -------------------------------------------------------------------------------------------------------

_HOLD_LOCK = """
import sys, time
from pathlib import Path
from index.generation import Layout, writer_lock
with writer_lock(Layout(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""
_HOLD_LEASE = """
import sys, time
from pathlib import Path
from index.generation import Layout, lease
held = lease(Layout(Path(sys.argv[1])), sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def other_process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process that has said it holds what ``code`` takes; killed at the end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_writer_is_turned_away_at_once_and_a_dead_one_holds_nothing(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    with other_process(_HOLD_LOCK, shelf.data) as holder:
        started = time.monotonic()
        for attempt in (shelf.build, lambda: roll_back(shelf.layout)):
            with pytest.raises(Busy, match="Wait for it"):
                attempt()
        assert time.monotonic() - started < 1
        assert shelf.ask("tide")  # readers are not kept out
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert shelf.build().published


def test_a_second_writer_in_the_same_process_is_turned_away_too(shelf: Shelf) -> None:
    with writer_lock(shelf.layout), pytest.raises(Busy):
        shelf.build()
    assert shelf.build().published is False


# -- what is kept -----------------------------------------------------------------------------------------------------


def grow(shelf: Shelf, times: int) -> None:
    for number in range(times):
        shelf.write("log.txt", f"Entry {number} of the log, on day {time.monotonic_ns()}.")
        shelf.build()


def test_the_newest_two_generations_are_kept(shelf: Shelf) -> None:
    grow(shelf, 4)
    assert shelf.layout.names() == ["000004", "000005"]


def test_what_another_process_reads_is_kept_until_it_ends(shelf: Shelf) -> None:
    with other_process(_HOLD_LEASE, shelf.data, "000001"):
        grow(shelf, 3)
        assert shelf.layout.names() == ["000001", "000003", "000004"]
        verify(shelf.layout.generation("000001"))
    grow(shelf, 1)
    assert shelf.layout.names() == ["000004", "000005"]


def test_what_a_request_reads_is_kept_until_it_ends(shelf: Shelf) -> None:
    with library(shelf) as opened:
        with opened.pin() as pinned:
            grow(shelf, 3)
            assert served(opened)[0] == "000004"
            assert pinned.name == "000001" in shelf.layout.names()
            assert {pinned.store.text(doc.document_id) for doc in pinned.store.documents()} >= {TIDES}
        grow(shelf, 1)
        assert "000001" not in shelf.layout.names()


def test_the_live_generation_and_the_one_before_are_kept_however_old(shelf: Shelf) -> None:
    grow(shelf, 2)
    roll_back(shelf.layout, "000002")
    with writer_lock(shelf.layout):
        assert collect(shelf.layout, shelf.live) == []
    grow(shelf, 1)
    assert shelf.layout.names() == ["000003", "000004"]
    assert shelf.live == "000004"


def test_two_readers_may_hold_one_generation(shelf: Shelf) -> None:
    first, second = lease(shelf.layout, "000001"), lease(shelf.layout, "000001")
    assert first is not None and second is not None
    first.close()
    grow(shelf, 3)
    assert "000001" in shelf.layout.names()
    second.close()


def test_a_generation_that_is_being_read_can_be_opened_by_name(shelf: Shelf) -> None:
    with library(shelf) as opened:
        with opened.open_by_name("000001") as generation:
            grow(shelf, 3)
            assert len(generation.store.documents()) == 3
            assert "000001" in shelf.layout.names()
        with pytest.raises(NotFound), opened.open_by_name("../000001"):
            pass


# -- going back -------------------------------------------------------------------------------------------------------


def test_going_back_serves_the_generation_before(two: Shelf) -> None:
    with library(two) as opened:
        assert served(opened) == ("000002", ["nets.txt"])
        assert roll_back(two.layout) == "000001"
        assert served(opened)[0] == "000001" and served(opened)[1] != ["nets.txt"]
        assert roll_back(two.layout, "000002") == "000002"
        assert served(opened) == ("000002", ["nets.txt"])


def test_after_going_back_a_build_starts_from_there_under_a_new_name(two: Shelf) -> None:
    roll_back(two.layout)
    report = two.build()
    assert (report.generation, report.added) == ("000003", ("nets.txt",))


def test_a_damaged_generation_is_not_gone_back_to(two: Shelf) -> None:
    truncate(two.layout.generation("000001") / "vectors.faiss")
    with pytest.raises(CorruptGeneration):
        roll_back(two.layout, "000001")
    with pytest.raises(NotFound):
        roll_back(two.layout)
    assert two.live == "000002"


def test_going_back_passes_over_what_cannot_be_served(shelf: Shelf) -> None:
    held = lease(shelf.layout, "000001")
    assert held is not None
    grow(shelf, 3)
    rewrite_manifest(shelf.layout.generation("000003"), format=99)
    assert roll_back(shelf.layout) == "000001"
    with pytest.raises(IncompatibleIndex):
        roll_back(shelf.layout, "000003")
    held.close()


@pytest.mark.parametrize("name", ["000009", "nonsense", "../generations/000001", "", "²"])
def test_there_is_no_going_back_to_what_is_not_there(shelf: Shelf, name: str) -> None:
    with pytest.raises(NotFound, match="footnote generations list"):
        roll_back(shelf.layout, name)
    assert shelf.live == "000001"


def test_the_list_of_generations_says_which_is_live_and_which_is_damaged(two: Shelf) -> None:
    truncate(two.layout.generation("000001") / "vectors.faiss")
    old, live = listing(two.layout)
    assert (old["name"], old["live"]) == ("000001", False)
    assert "vectors.faiss" in old["problem"]
    assert (live["name"], live["live"], live["problem"], live["encoder"]) == ("000002", True, "", "fake")
    assert (live["counts"]["documents"], live["counts"]["passages"], live["counts"]["skipped"]) == (4, 4, 0)
