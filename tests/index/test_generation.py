"""Generations on disk: published in one step, checked before they are served, deleted when nobody reads them."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from index import manifest as manifests
from index.errors import CorruptGeneration, IncompatibleIndex, NoGeneration, NotFound
from index.generation import Generation, lease, listing, read_current, roll_back
from index.search import make_query, search
from tests.fakes import FakeEncoder
from tests.index.shelf import TIDES, Shelf, grow, library, served


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


def test_a_manifest_is_read_into_as_much_memory_as_it_is_long(two: Shelf) -> None:
    """A build may have little, and a server has better use for it."""
    tracemalloc.start()
    try:
        manifests.read_manifest(two.live_folder)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_longer_than_manifests_are_is_not_read(two: Shelf) -> None:
    os.truncate(two.live_folder / "MANIFEST.json", 1 << 40)  # most of it takes no room on the disk
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


def test_a_server_goes_on_when_somebody_builds_with_another_runtime(two: Shelf) -> None:
    """The same model by name, and other vectors all the same."""
    with library(two) as opened:
        opened.fingerprint = FakeEncoder().fingerprint
        assert served(opened)[0] == "000002"
        two.build(FakeEncoder(window=41))
        assert served(opened) == ("000002", ["nets.txt"])
        assert "by another runtime" in opened.degraded


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


# -- going back -----------------------------------------------------------------------------------------------------


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


def test_checking_takes_no_more_than_some_threads(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Noting(ThreadPoolExecutor):
        def __init__(self, workers: int, **options: Any) -> None:
            started.append(workers)
            super().__init__(workers, **options)

    monkeypatch.setattr(manifests, "ThreadPoolExecutor", Noting)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(256)))
    manifests.verify(shelf.live_folder)
    assert started == [8]
