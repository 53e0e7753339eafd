"""Files that somebody has made to do harm lie where an index was. They are not opened; and where their maker could
also rewrite the manifest, which nothing can tell, they do not bring the process down."""

from __future__ import annotations

import json
import os
import pickle
import random
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from tests.faults.campaign import Campaigns
from tests.faults.ruin import Two, library, two_generations

_SEED = 11
_MOST_GROWTH_KB = 50_000
_HUNG_S = 60

# Loads the index once a line it is sent, as a server that starts does, and says what came of it. What opens FAISS's
# files and tantivy's is counted.
_SERVER = """
import json, os, sys
from pathlib import Path
import faiss, structlog
import index.generation, index.vectors
from index.errors import FootnoteError
from tests.faults.processes import memory_of
from tests.faults.ruin import answers_of, library
from tests.index.shelf import Shelf

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
opened = []

def counting(real, suspect):
    def wrapped(path, *more):
        if suspect in str(path):
            opened.append(str(path))
        return real(path, *more)
    return wrapped

folder, suspect, unchecked = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
faiss.read_index = counting(faiss.read_index, suspect)
index.vectors.mapped = counting(index.vectors.mapped, suspect)
index.generation.LexicalIndex = counting(index.generation.LexicalIndex, suspect)
index.generation.Store = counting(index.generation.Store, suspect)
if unchecked:
    from index.manifest import read_manifest
    index.generation.verify = lambda folder, expected="", unread=(): read_manifest(folder)

def resident():  # of its own: pages of libraries come and go as the kernel sees fit
    return memory_of(os.getpid())["RssAnon"]

for line in sys.stdin:
    opened.clear()
    before = resident()
    try:
        with library(Shelf(folder, folder)) as held, held.pin() as generation:
            answers_of(generation)
            told = generation.name
    except FootnoteError as error:
        told = type(error).__name__
    print(json.dumps({"served": told, "opened": len(opened), "grown_kb": resident() - before}), flush=True)
"""


class Server:
    """A process that loads the index anew when it is asked to."""

    def __init__(self, data: Path, suspect: str, *, unchecked: bool = False) -> None:
        command = [sys.executable, "-c", _SERVER, str(data), suspect, *(["unchecked"] if unchecked else [])]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process; a pipe would fill
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True
        )

    def load(self) -> dict[str, Any]:
        """What came of it. A process that died is an AssertionError, with its last words."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("load\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._said.seek(0)
            code = self._process.wait(timeout=_HUNG_S)
            raise AssertionError(f"ended with {code}: {self._said.read()[-600:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()


@contextmanager
def started(two: Two, *, unchecked: bool = False) -> Iterator[Server]:
    two.mend()
    server = Server(two.shelf.data, f"/{two.newer}/", unchecked=unchecked)
    try:
        assert server.load()["served"] == two.newer  # what a first load takes in memory is not the file's doing
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module", params=[False, True], ids=["exact", "extended"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Two:
    return two_generations(tmp_path_factory.mktemp("hostile"), extended=request.param)


# -- the files ---------------------------------------------------------------------------------------------------------


def written(index: Any, folder: Path) -> bytes:
    faiss.write_index(index, str(folder / "made"))
    return (folder / "made").read_bytes()


def another_kind(folder: Path, chance: random.Random) -> bytes:
    """A FAISS index that is whole, of another kind, dimension or size."""
    dim = chance.choice((1, 2, 63, 64, 65, 128, 768))
    rows = np.random.default_rng(chance.randrange(2**32)).standard_normal((chance.choice((0, 1, 300)), dim))
    factory = chance.choice(("Flat", "HNSW8", "SQ8", "SQfp16", "IDMap,Flat", "LSH" if dim > 1 else "Flat"))
    index: Any = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT if factory != "LSH" else faiss.METRIC_L2)
    rows = rows.astype(np.float32)
    if len(rows):
        index.train(rows)
        if factory.startswith("IDMap"):
            index.add_with_ids(rows, np.arange(len(rows)) + 2**40)
        else:
            index.add(rows)
    return written(index, folder)


def lying_header(whole: bytes, chance: random.Random) -> bytes:
    """Of an index that claims another number of rows or dimensions: four letters, d, ntotal, ..."""
    data = bytearray(whole)
    if chance.random() < 0.5:
        struct.pack_into("<q", data, 8, chance.choice((2**62, 2**40, 2**31, -1, 0, 10**6)))
    else:
        struct.pack_into("<i", data, 4, chance.choice((2**31 - 1, 0, -1, 1, 65, 10**6)))
    if chance.random() < 0.5:  # and what follows says so too
        at = 37 if whole.startswith(b"IxFI") else chance.choice((65, 73))  # how long what follows is
        struct.pack_into("<Q", data, at, chance.choice((2**62, 2**63, 2**38, 2**27, 0)))
    return bytes(data)


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (66,)


def hostile_database(whole: bytes, folder: Path, chance: random.Random) -> bytes:
    path = folder / "made.db"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(chance.choice(_SCRIPTS))
    return path.read_bytes()


_FOREVER = "WITH RECURSIVE n(row) AS (SELECT 0 UNION ALL SELECT row + 1 FROM n) SELECT row FROM n"
_SCRIPTS = (
    f"DROP TABLE gone; CREATE VIEW gone AS {_FOREVER};",
    "CREATE TRIGGER evil AFTER INSERT ON documents BEGIN DELETE FROM documents; END;",
    "DROP TABLE gone; CREATE TABLE gone (row TEXT); INSERT INTO gone VALUES ('many');",
    "DROP TABLE gone; CREATE TABLE gone (row INTEGER); INSERT INTO gone VALUES (4611686018427387904), (-1);",
    "DROP TABLE gone;",
    "DROP TABLE passages; CREATE VIEW passages AS SELECT * FROM contents;",
    "DELETE FROM passages;",
    "UPDATE passages SET first_sentence = 9223372036854775807, n_sentences = 9223372036854775807;",
    "UPDATE passages SET first_sentence = -5;",
    "UPDATE places SET fields = '[[[[' || place;",
)


def hostile_meta(whole: bytes, chance: random.Random) -> bytes:
    """A list of segments as tantivy does not write them."""
    body = json.loads(whole)
    what = chance.randrange(6)
    if what == 0:
        body["segments"] = [{"segment_id": "../../../../etc/passwd", "max_doc": 1, "deletes": None}]
    elif what == 1:
        body["segments"][0]["max_doc"] = chance.choice((2**32 - 1, 0, -1, 2**40, "many"))
    elif what == 2:
        body["schema"] = chance.choice(([], None, [{"name": "text", "type": "i64", "options": {}}]))
    elif what == 3:
        body["segments"] = chance.choice(([], None, {}, body["segments"] * 2))
    elif what == 4:
        return chance.choice((b"[" * 100_000, b"{}", b"null", b"\xff" * 100, b""))
    else:
        body["index_settings"] = {"docstore_compression": "evil", "docstore_blocksize": 2**62}
    return json.dumps(body).encode()


def junk(size: int, chance: random.Random) -> bytes:
    return chance.choice((chance.randbytes, bytes))(chance.choice((1, 45, 4_096, size)))


Maker = Callable[[Path, Path, random.Random], bytes]
"""Given a file, a folder to work in, and chance: the bytes that take the file's place."""

FILES: Mapping[str, tuple[Maker, ...]] = {
    "vectors*.faiss": (
        lambda path, folder, chance: lying_header(path.read_bytes(), chance),
        lambda path, folder, chance: another_kind(folder, chance),
        lambda path, folder, chance: pickle.dumps(_Bomb()),
        lambda path, folder, chance: junk(path.stat().st_size, chance),
        lambda path, folder, chance: path.read_bytes()[: chance.randrange(60)],
        lambda path, folder, chance: chance.choice((b"IxFI", b"IxSQ", b"Ixpo", b"I0\0\0")) + chance.randbytes(500),
    ),
    "vectors.codes": (
        lambda path, folder, chance: chance.randbytes(path.stat().st_size),
        lambda path, folder, chance: b"\xff" * path.stat().st_size,  # no numbers in its table
        lambda path, folder, chance: path.read_bytes()[: chance.randrange(path.stat().st_size + 1)],
        lambda path, folder, chance: path.read_bytes() + chance.randbytes(chance.choice((1, 32, 4_096))),
    ),
    "sentences*.f16": (
        lambda path, folder, chance: path.read_bytes()[: chance.choice((0, 2, 128, 1_280))],
        lambda path, folder, chance: path.read_bytes()[: path.stat().st_size - chance.choice((1, 2, 128))],
        lambda path, folder, chance: b"\xff\x7f" * (path.stat().st_size // 2),  # no numbers at all
    ),
    "documents.db": (
        lambda path, folder, chance: hostile_database(path.read_bytes(), folder, chance),
        lambda path, folder, chance: hostile_database(path.read_bytes(), folder, chance),
        lambda path, folder, chance: junk(path.stat().st_size, chance),
    ),
    "lexical/meta.json": (lambda path, folder, chance: hostile_meta(path.read_bytes(), chance),),
    "lexical/*.[a-z]*": (
        lambda path, folder, chance: junk(path.stat().st_size, chance),
        lambda path, folder, chance: path.read_bytes()[: chance.randrange(path.stat().st_size + 1)],
    ),
}


def plant(two: Two, folder: Path, chance: random.Random) -> str:
    """Put one hostile file in the place of one of the newer generation; says which."""
    two.mend()
    live = two.shelf.layout.generation(two.newer)
    there = [pattern for pattern in sorted(FILES) if any(live.glob(pattern))]
    pattern, n = chance.choice([(pattern, n) for pattern in there for n in range(len(FILES[pattern]))])
    path = chance.choice(sorted(path for path in live.glob(pattern) if path.is_file()))
    made = FILES[pattern][n](path, folder, chance)
    if made == path.read_bytes():
        made += b"\n"  # nothing of an empty file, tantivy's lock, is what was there
    path.unlink()  # a file of its own: the older generation may have this one too
    path.write_bytes(made)
    return f"{path.relative_to(live)} by maker {n}, {len(made)} bytes"


# -- where the manifest is true ----------------------------------------------------------------------------------------


def test_a_hostile_file_is_never_opened(two: Two, tmp_path: Path, campaign: Campaigns) -> None:
    with (
        started(two) as server,
        campaign("R11", "a file of the index is replaced by a hostile one", push=10, release=1000) as trials,
    ):
        most = 0
        for trial in trials:
            what = plant(two, tmp_path, random.Random(f"{_SEED} {trial}"))
            told = server.load()
            assert (told["served"], told["opened"]) == (two.older, 0), (trial, what)
            assert told["grown_kb"] <= _MOST_GROWTH_KB, (trial, what, told)
            most = max(most, told["grown_kb"])
        trials.note("most memory taken, KB", most)


def test_without_the_hashes_a_hostile_file_would_be_opened(two: Two, tmp_path: Path, campaign: Campaigns) -> None:
    opened = 0
    for trial in range(3):
        with started(two, unchecked=True) as server:
            plant(two, tmp_path, random.Random(f"{_SEED} {trial}"))
            try:
                opened += server.load()["opened"] > 0
            except AssertionError:
                opened += 1  # it did what it was made to do
    campaign.control("R11", "the hashes of the files: hostile files are opened", failed=opened, of=3)


# -- where the manifest lies as well -----------------------------------------------------------------------------------


def forge(two: Two) -> None:
    """Have the manifest and CURRENT vouch for what lies there, as whoever can write to the data folder may."""
    live = two.shelf.layout.generation(two.newer)
    body = json.loads((live / "MANIFEST.json").read_bytes())
    del body["checksum"]
    for name, entry in body["files"].items():
        data = (live / name).read_bytes()
        entry |= {"size": len(data), "sha256": sha256(data).hexdigest()}
    body["checksum"] = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    text = json.dumps(body)
    (live / "MANIFEST.json").write_text(text)
    two.shelf.layout.current.write_text(f"{two.newer} {sha256(text.encode()).hexdigest()}\n")


def test_a_forged_generation_does_not_bring_the_process_down(two: Two, tmp_path: Path, campaign: Campaigns) -> None:
    """What a forger made cannot be told from what a build made, and may be served. What cannot be loaded is damage."""
    with (
        started(two) as server,
        campaign("R11", "a hostile file, and the manifest rewritten to vouch for it", push=10, release=1000) as trials,
    ):
        refused = 0
        for trial in trials:
            what = plant(two, tmp_path, random.Random(f"{_SEED} forged {trial}"))
            forge(two)
            try:
                told = server.load()
            except AssertionError as error:
                raise AssertionError(f"trial {trial}, {what}") from error
            assert told["grown_kb"] <= _MOST_GROWTH_KB, (trial, what, told)
            refused += told["served"] == two.older
        trials.note("refused", refused)


def test_after_a_forgery_the_next_build_makes_the_index_whole(two: Two) -> None:
    two.mend()
    path = two.shelf.layout.generation(two.newer) / "vectors.faiss"
    data = lying_header(path.read_bytes(), random.Random(_SEED))
    path.unlink()
    path.write_bytes(data)
    forge(two)
    assert two.shelf.build().published
    with library(two.shelf) as opened, opened.pin() as generation:
        assert (generation.name > two.newer, opened.corrupt) == (True, 0)
        assert generation.manifest.counts["documents"] == 82
