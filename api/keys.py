"""API keys: made and revoked on the command line, kept as hashes, and looked up by a running server.

A key is 256 random bits, so one pass of SHA-256 keeps it as safe as a slow hash would, and a request is not held up."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from index.errors import FootnoteError

_FORMAT_VERSION = 1
_KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # stands in log lines and tables as it is


class KeysError(FootnoteError):
    """The keys cannot be read, or not be changed as asked."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a key: everything but the key."""

    name: str
    sha256: str  # of the key's bytes, hex
    created_at: str  # ISO 8601, UTC


def keys_file(data: Path) -> Path:
    """Where the keys of a data folder are kept."""
    return data / "keys.json"


def read_keys(path: Path) -> tuple[StoredKey, ...]:
    """The keys in ``path``, oldest first; none when there is no such file. Raises KeysError when it is damaged."""
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != _FORMAT_VERSION:
            raise KeysError(f"{path} is of another Footnote.", remedy="Use its version, or remove the file.")
        return tuple(StoredKey(str(one["name"]), str(one["sha256"]), str(one["created_at"])) for one in found["keys"])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeysError(
            f"{path} cannot be read ({error.strerror}).", remedy="Let the server's user read it."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeysError(
            f"{path} is damaged ({type(error).__name__}).",
            remedy="Remove it, and make new keys: footnote keys add.",
        ) from error


def add_key(path: Path, name: str) -> str:
    """A new key, which is returned and not kept. Raises KeysError when the name is taken or not fit for a log line."""
    if not _NAME.fullmatch(name):
        raise KeysError(
            f"{name!r} cannot be the name of a key.",
            remedy="Use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first.",
        )
    key = f"fn_{secrets.token_urlsafe(_KEY_BYTES)}"
    with _changing(path):
        stored = read_keys(path)
        if any(one.name == name for one in stored):
            raise KeysError(f"There is a key {name!r} already.", remedy="Revoke it first, or use another name.")
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        _write(path, (*stored, StoredKey(name, _hashed(key.encode()), created_at)))
    return key


def revoke_key(path: Path, name: str) -> None:
    """From now on the key is as good as none. Raises KeysError when there is no key of that name."""
    with _changing(path):
        stored = read_keys(path)
        kept = tuple(one for one in stored if one.name != name)
        if len(kept) == len(stored):
            raise KeysError(f"There is no key {name!r}.", remedy="See which there are: footnote keys list.")
        _write(path, kept)


class KeyRing:
    """The keys as a running server sees them: what is added or revoked counts from the next request on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[StoredKey, ...] = ()

    def name_of(self, key: bytes) -> str:
        """The name of the key presented; "" when it is none of ours. Raises KeysError when the keys cannot be read."""
        self._look_again()
        presented = _hashed(key)
        name = ""
        for one in self._keys:  # to the end, whichever it is: the time taken tells nothing
            if compare_digest(one.sha256, presented):
                name = one.name
        return name

    def _look_again(self) -> None:
        try:
            found = self._path.stat()
        except OSError:  # there is none, or read_keys will say what is wrong
            seen = None
        else:
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)  # a change is a rename, so the inode tells
        if seen is None or seen != self._seen:
            self._keys = read_keys(self._path)
            self._seen = seen


def _hashed(key: bytes) -> str:
    return sha256(key).hexdigest()


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Alone among the processes that change the keys."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # held for milliseconds
        yield
    finally:
        os.close(handle)


def _write(path: Path, keys: tuple[StoredKey, ...]) -> None:
    part = path.with_suffix(".part")
    body = json.dumps({"format": _FORMAT_VERSION, "keys": [asdict(one) for one in keys]}, indent=2)
    part.unlink(missing_ok=True)  # left behind by a crash, perhaps with another mode
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(body + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
