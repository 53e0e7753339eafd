"""MANIFEST.json: what a generation says of itself, with the hash of each of its files, and how that is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any

from index.disk import let_shortage_pass
from index.errors import CorruptGeneration, IncompatibleIndex
from index.files import fsync

FORMAT_VERSION = 4
REBUILD = "Run footnote index --full to build it again from the source folder."
_HASH_BLOCK = 1 << 20
_MOST_THREADS = 8  # more read no faster, and each takes a stack and an arena of memory
_MOST_BYTES = 1 << 29  # of a manifest that is read; a million documents make about 150 MB


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation says of itself."""

    name: str
    created_at: str  # ISO 8601, UTC
    counts: dict[str, int]  # documents, passages, sentences, skipped; passage_rows, sentence_rows with those gone
    vectors: dict[str, Any]  # how passage vectors are searched: index.vectors.VectorCard
    encoder: dict[str, Any]  # name, fingerprint, dim, window
    rules: str  # fingerprint of parsers, sentence and passage rules
    report: dict[str, Any]  # the ingest report of the build
    files: dict[str, dict[str, Any]]  # relative path -> size, sha256

    def check_encoder(self, fingerprint: str) -> None:
        """Raises IncompatibleIndex when an encoder with this fingerprint is not the one that made the vectors."""
        if fingerprint != self.encoder["fingerprint"]:
            raise IncompatibleIndex(
                f"Generation {self.name} was made with another version of the encoder, or by another runtime.",
                remedy="Run footnote index to build it anew, or set FOOTNOTE_RUNTIME back.",
            )


def _hash_file(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as stream:
        while block := stream.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MANIFEST.json")


def seal(folder: Path, linked: Mapping[str, dict[str, Any]] = MappingProxyType({}), **about: Any) -> str:
    """Make ``folder`` durable: fsync every file, write MANIFEST.json with their hashes, read everything back.

    ``linked`` are entries of files that another generation has too and that were read back there in this build: they
    are not read again. ``about`` are the other fields of Manifest. Returns the SHA-256 of the manifest."""
    paths = _files_of(folder)
    for path in [*paths, *(entry for entry in folder.rglob("*") if entry.is_dir())]:
        fsync(path)
    files = {
        name: linked.get(name) or {"size": path.stat().st_size, "sha256": _hash_file(path)}
        for name, path in ((path.relative_to(folder).as_posix(), path) for path in paths)
    }
    body = {"format": FORMAT_VERSION, **about, "files": files}
    # The checksum tells a damaged manifest even when CURRENT, which holds its hash, is lost.
    text = json.dumps({**body, "checksum": _checksum(body)}, indent=1, sort_keys=True) + "\n"
    manifest = folder / "MANIFEST.json"
    manifest.write_text(text, "utf-8")
    fsync(manifest)
    fsync(folder)
    verify(folder, unread=linked)
    return sha256(text.encode()).hexdigest()


def _checksum(body: dict[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path, expected_sha256: str = "") -> Manifest:
    """Raises CorruptGeneration when it is missing, damaged or not the expected one, IncompatibleIndex for another
    format version."""
    damaged = CorruptGeneration(f"The manifest of generation {folder.name} is damaged.", remedy=REBUILD)
    try:
        with (folder / "MANIFEST.json").open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > _MOST_BYTES:
                raise damaged
            raw = stream.read(size)  # Python sets aside at once whatever number it is told
    except FileNotFoundError as error:
        raise CorruptGeneration(f"Generation {folder.name} has no manifest.", remedy=REBUILD) from error
    except OSError as error:
        let_shortage_pass(error)
        raise CorruptGeneration(f"The manifest of generation {folder.name} cannot be read.", remedy=REBUILD) from error
    if expected_sha256 and sha256(raw).hexdigest() != expected_sha256:
        raise damaged
    try:
        body = json.loads(raw)
        checksum = body.pop("checksum")
        whole = _checksum(body) == checksum
    # RecursionError: brackets in brackets, as no manifest has them.
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise damaged from error
    if not whole:
        raise damaged
    version = body.pop("format", None)
    if version != FORMAT_VERSION or set(body) != {field.name for field in fields(Manifest)}:
        raise IncompatibleIndex(
            f"Generation {folder.name} has format version {version}; this Footnote reads {FORMAT_VERSION}.",
            remedy=REBUILD,
        )
    if folder.name.isdecimal() and body["name"] != folder.name:  # whole, and under the name of another
        raise damaged
    return Manifest(**body)


def verify(folder: Path, expected_sha256: str = "", unread: Container[str] = ()) -> Manifest:
    """Read every file but ``unread`` back against the manifest. Raises CorruptGeneration naming the first that
    differs; OSError and MemoryError when there are no file handles or memory to read with."""
    manifest = read_manifest(folder, expected_sha256)
    present = {path.relative_to(folder).as_posix() for path in _files_of(folder)}
    for name in sorted(present ^ set(manifest.files)):
        what = "is missing" if name in manifest.files else "does not belong there"
        raise CorruptGeneration(f"{name} of generation {folder.name} {what}.", remedy=REBUILD)

    def is_whole(name: str) -> bool:
        path, entry = folder / name, manifest.files[name]
        try:
            return path.stat().st_size == entry["size"] and (name in unread or _hash_file(path) == entry["sha256"])
        except OSError as error:  # a bad sector, or a file that went away meanwhile
            let_shortage_pass(error)
            raise CorruptGeneration(
                f"{name} of generation {folder.name} cannot be read ({error.strerror}).", remedy=REBUILD
            ) from error

    for name, whole in zip(manifest.files, _side_by_side(is_whole, list(manifest.files)), strict=True):
        if not whole:
            raise CorruptGeneration(f"{name} of generation {folder.name} is damaged.", remedy=REBUILD)
    return manifest


def _side_by_side(work: Callable[[str], bool], names: Sequence[str]) -> list[bool]:
    """``work`` of each name, several at a time; one after the other where no thread can be started."""
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        begun: list[Future[bool]] = []
        try:
            for name in names:
                begun.append(pool.submit(work, name))
        except RuntimeError:
            # What was handed in and no thread has taken up is done here, with the rest.
            done = [None if future.cancel() else future.result() for future in begun]
            return [work(name) if one is None else one for name, one in zip_longest(names, done)]
        return [future.result() for future in begun]
