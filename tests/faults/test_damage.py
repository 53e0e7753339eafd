"""Damage to a generation is found before anything of it is served, and the generation before is served instead."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.compose import Footnote
from api.settings import Settings
from index.errors import NoGeneration
from index.generation import Layout
from tests.fakes import FakeEncoder, FakeReader
from tests.faults.campaign import Campaigns
from tests.faults.ruin import (
    BYTES,
    KINDS,
    Answers,
    Damage,
    Two,
    answers_of,
    flip,
    library,
    put,
    truncate,
    two_generations,
)

_SEED = 8
_RESTARTS = 20
_CONTROLS = 16


@pytest.fixture(scope="module", params=[False, True], ids=["exact", "extended"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Two:
    return two_generations(tmp_path_factory.mktemp("damage"), extended=request.param)


# -- a generation ------------------------------------------------------------------------------------------------------


def ruin(two: Two, chance: random.Random, *, in_place: bool = False) -> tuple[str, bool]:
    """Damage one file of the newer generation. Returns what was done, and whether the manifest still says the same:
    a bit may flip in a letter's escape, or the line end be lost."""
    two.mend()
    path = chance.choice(two.files())
    kind = chance.choice(KINDS)
    whole = path.read_bytes()
    other = two.shelf.layout.generation(two.older) / path.relative_to(two.shelf.layout.generation(two.newer))
    if kind == "swap" and (not other.exists() or other.read_bytes() == whole):
        kind = "flip"  # nothing to be swapped with: it is one file, or named for its segment
    if kind == "delete":
        path.unlink()
        return f"{path.name}: {kind}", False
    ruined = other.read_bytes() if kind == "swap" else BYTES[kind](whole, chance)
    if ruined == whole:  # a page that was all zeros
        kind, ruined = "flip", flip(whole, chance)
    put(path, ruined, in_place=in_place)
    return f"{path.name}: {kind}", path.name == "MANIFEST.json" and _says_the_same(ruined, whole)


def _says_the_same(ruined: bytes, whole: bytes) -> bool:
    try:
        return bool(json.loads(ruined) == json.loads(whole))
    except (ValueError, RecursionError):
        return False


def test_damage_to_any_file_is_found_and_the_generation_before_is_served(two: Two, campaign: Campaigns) -> None:
    two.mend()
    kind = "extended" if two.is_extended else "exact"
    with campaign("R8", f"a file of a generation is damaged ({kind})", push=50, release=2500) as trials:
        kinds: dict[str, int] = {}
        for trial in trials:
            done, same = ruin(two, random.Random(f"{_SEED} {trial}"))
            kinds[done.partition(": ")[2]] = kinds.get(done.partition(": ")[2], 0) + 1
            with library(two.shelf) as opened, opened.pin() as generation:
                expected = two.newer if same else two.older
                assert (generation.name, opened.corrupt) == (expected, 1), (trial, done)
                assert opened.degraded, (trial, done)
                assert answers_of(generation) == two.answers[expected], (trial, done)
        trials.note("kinds", kinds)


def test_a_disk_that_ruins_what_two_generations_share_gets_nothing_served_until_the_next_build(
    tmp_path: Path, campaign: Campaigns
) -> None:
    """An extended generation has files in common with the one before. There is one copy of them, so neither is whole;
    the folder is the truth."""
    two = two_generations(tmp_path, extended=True)
    with campaign("R8", "a file that two generations share is damaged", push=4, release=200) as trials:
        lost = 0
        for trial in trials:
            chance = random.Random(f"{_SEED} shared {trial}")
            two.mend()
            shared = [path for path in two.files() if path.stat().st_nlink > 1]
            path = chance.choice(shared)
            put(path, flip(path.read_bytes(), chance), in_place=True)
            with library(two.shelf) as opened:
                with pytest.raises(NoGeneration, match="whole"), opened.pin():
                    pass
                assert opened.corrupt == 1, trial
                lost += 1
                two.shelf.build()
                with opened.pin() as generation:
                    now = passages_of(answers_of(generation))
                    assert now == passages_of(two.answers[two.newer]), (trial, path.name)
        trials.note("built anew", lost)


def passages_of(answers: Answers) -> list[set[str]]:
    return [{hit[0] for hit in hits} for hits in answers.values()]


def test_the_alarm_is_raised_where_operators_look(two: Two) -> None:
    two.mend()
    path = two.shelf.layout.generation(two.newer) / "documents.db"
    put(path, flip(path.read_bytes(), random.Random(_SEED)), in_place=False)
    settings = Settings(source=two.shelf.source, data=two.shelf.data, encoder="fake", reader=False)
    footnote = Footnote(settings, encoder=FakeEncoder, reader=FakeReader, in_child=False)
    with TestClient(create_app(footnote)) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["generation"]) == (200, "degraded", two.older)
        assert "footnote_corrupt_generations 1.0" in client.get("/metrics").text
        answer = client.post("/v1/ask", json={"question": "Who saw the lamp number 37?"})
        assert (answer.status_code, answer.json()["generation"]) == (200, two.older)
    footnote.close()


# Loads each data folder named with the hashes unchecked, and says what is served. What crashes the process is not
# caught: that is what the hashes are for.
_UNCHECKED = """
import sys
from pathlib import Path
import index.generation, index.live
from index.manifest import read_manifest
from tests.faults.ruin import answers_of, library
from tests.index.shelf import Shelf

index.generation.verify = lambda folder, expected="", unread=(): read_manifest(folder)
for folder in sys.argv[1:]:
    try:
        with library(Shelf(Path(folder), Path(folder))) as opened, opened.pin() as generation:
            print(generation.name, hash(repr(sorted(answers_of(generation).items()))), flush=True)
    except Exception as error:
        print("refused", type(error).__name__, flush=True)
"""


def test_without_the_hashes_damage_would_be_served(two: Two, tmp_path: Path, campaign: Campaigns) -> None:
    two.mend()
    folders = [shutil.copytree(two.shelf.data, tmp_path / "whole")]
    for trial in range(_CONTROLS):
        chance = random.Random(f"{_SEED} control {trial}")
        two.mend()
        path = chance.choice([path for path in two.files() if path.name != "MANIFEST.json"])
        put(path, BYTES[("flip", "zero page")[trial % 2]](path.read_bytes(), chance), in_place=False)
        folders.append(shutil.copytree(two.shelf.data, tmp_path / str(trial)))
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", _UNCHECKED, *map(str, folders)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    whole, *lines = told.stdout.splitlines()
    assert whole.split()[0] == two.newer, told.stderr
    served = [line for line in lines if line.startswith(f"{two.newer} ")]
    wrong = [line for line in served if line != whole]
    campaign.control("R8", "the hashes of the files: damage is served", failed=len(served), of=_CONTROLS)
    if not two.is_extended:  # there most of the files are small, and few answers lie in each
        campaign.control("R8", "the hashes of the files: other answers are given", failed=len(wrong), of=_CONTROLS)


# -- CURRENT and the manifest ------------------------------------------------------------------------------------------


def ruin_the_way_in(two: Two, chance: random.Random) -> tuple[str, bool]:
    """Damage CURRENT, the live manifest, or both. Returns what was done, and whether the live one can still be told."""
    two.mend()
    kind = chance.choice(sorted({**CURRENTS, **MANIFESTS}))
    if kind in MANIFESTS:
        path = two.shelf.layout.generation(two.newer) / "MANIFEST.json"
        whole = path.read_bytes()
        ruined = MANIFESTS[kind](whole, chance)
        put(path, ruined, in_place=False)
        if chance.random() < 0.5:
            return f"MANIFEST {kind}", _says_the_same(ruined, whole)
        other = chance.choice(sorted(CURRENTS))
        put(two.shelf.layout.current, CURRENTS[other](two, chance), in_place=False)
        return f"MANIFEST {kind}, CURRENT {other}", _says_the_same(ruined, whole)
    put(two.shelf.layout.current, CURRENTS[kind](two, chance), in_place=False)
    return f"CURRENT {kind}", True


CURRENTS: Mapping[str, Callable[[Two, random.Random], bytes]] = {
    "empty": lambda two, chance: b"",
    "blank": lambda two, chance: b" \n" * 40,
    "junk": lambda two, chance: chance.randbytes(chance.randrange(1, 200)),
    "zeros": lambda two, chance: bytes(72),
    "huge": lambda two, chance: b"000002 " * 3_000_000,
    "a missing generation": lambda two, chance: b"%06d %064x\n" % (chance.randrange(4, 10**6), chance.getrandbits(256)),
    "a very long name": lambda two, chance: b"0" * chance.choice((300, 5_000)) + b" " + b"a" * 64,
    "a number written otherwise": lambda two, chance: "٠٠٠٠٠٣ ".encode() + two.shelf.layout.current.read_bytes()[7:],
    "a name without zeros": lambda two, chance: two.shelf.layout.current.read_bytes().lstrip(b"0"),
    "a path": lambda two, chance: b"../generations/000003 " + two.shelf.layout.current.read_bytes()[7:],
    "another hash": lambda two, chance: b"%s %064x\n" % (two.newer.encode(), chance.getrandbits(256)),
    "the hash of the older": lambda two, chance: f"{two.newer} {manifest_hash(two, two.older)}\n".encode(),
    "two versions": lambda two, chance: (
        two.shelf.layout.current.read_bytes() + f"{two.older} {manifest_hash(two, two.older)}\n".encode()
    ),
    "half of it": lambda two, chance: truncate(two.shelf.layout.current.read_bytes().strip(), chance),
    "a bit": lambda two, chance: flip(two.shelf.layout.current.read_bytes().strip(), chance),
}
MANIFESTS: Mapping[str, Damage] = {
    **BYTES,
    "junk": lambda whole, chance: chance.randbytes(chance.randrange(1, 5_000)),
    "empty": lambda whole, chance: b"",
    "no object": lambda whole, chance: chance.choice((b"[]", b"null", b'"checksum"', b"7", b"{}", b'{"checksum": 0}')),
    "very deep": lambda whole, chance: b"[" * 200_000,
    "deep and whole": lambda whole, chance: b'{"checksum": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "a very long number": lambda whole, chance: b'{"checksum": ' + b"9" * 100_000 + b"}",
    "twice": lambda whole, chance: whole + whole,
    "a binary": lambda whole, chance: b"\x7fELF" + chance.randbytes(4_000),
}


def manifest_hash(two: Two, name: str) -> str:
    return sha256((two.shelf.layout.generation(name) / "MANIFEST.json").read_bytes()).hexdigest()


def test_the_newest_whole_generation_is_found_whatever_stands_in_current(two: Two, campaign: Campaigns) -> None:
    with campaign("R9", "CURRENT or the manifest is damaged", push=10, release=250) as trials:
        for trial in trials:
            done, is_there = ruin_the_way_in(two, random.Random(f"{_SEED} way in {trial}"))
            expected = two.newer if is_there else two.older
            for _ in range(_RESTARTS if trial == 0 else 2):
                with library(two.shelf) as opened, opened.pin() as generation:
                    assert (generation.name, opened.corrupt) == (expected, 1), (trial, done)
                    assert generation.folder.name == expected, (trial, done)
            assert two.answers[expected] == asked_once(two), (trial, done)


def asked_once(two: Two) -> Answers:
    with library(two.shelf) as opened, opened.pin() as generation:
        return answers_of(generation)


def test_a_generation_in_the_folder_of_another_is_not_taken_for_it(two: Two) -> None:
    two.mend()
    folder = two.shelf.layout.generation(two.newer)
    shutil.rmtree(folder)
    shutil.copytree(two.shelf.layout.generation(two.older), folder)
    with library(two.shelf) as opened, opened.pin() as generation:
        assert (generation.name, generation.folder.name, opened.corrupt) == (two.older, two.older, 1)


def test_without_the_scan_a_damaged_current_would_be_the_end(
    two: Two, campaign: Campaigns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: Layout, but: object = ()) -> tuple[str, str]:
        raise NoGeneration("Nobody looks.")

    monkeypatch.setattr("index.live.newest_whole", nothing)
    failed = 0
    for trial in range(5):
        ruin_the_way_in(two, random.Random(f"{_SEED} way in {trial}"))
        with library(two.shelf) as opened:
            try:
                with opened.pin():
                    pass
            except NoGeneration:
                failed += 1
    campaign.control("R9", "the scan for the newest whole generation", failed=failed, of=5)
