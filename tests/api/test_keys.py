from __future__ import annotations

import json
import multiprocessing
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from api.keys import KeyRing, KeysError, add_key, read_keys, revoke_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


def test_a_key_is_random_and_told_once(path: Path) -> None:
    first, second = add_key(path, "ana"), add_key(path, "ben")
    assert first != second
    assert min(len(first), len(second)) >= 43  # 256 bits in base64
    kept = path.read_text()
    assert first not in kept
    assert second not in kept
    assert [one.name for one in read_keys(path)] == ["ana", "ben"]
    assert read_keys(path)[0].sha256 == sha256(first.encode()).hexdigest()


def test_the_file_is_its_owner_s_alone(path: Path) -> None:
    add_key(path, "ana")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(one.name for one in path.parent.iterdir()) == ["keys.json", "keys.lock"]


@pytest.mark.parametrize("name", ["", " ", "a b", "../a", "-a", ".a", "a\n", "a" * 65, "ä", "\x1b[31m"])
def test_a_name_must_be_fit_for_a_log_line(path: Path, name: str) -> None:
    with pytest.raises(KeysError, match="cannot be the name of a key"):
        add_key(path, name)
    assert not path.exists()


def test_a_name_is_given_once_and_free_when_revoked(path: Path) -> None:
    first = add_key(path, "ana")
    with pytest.raises(KeysError, match="already"):
        add_key(path, "ana")
    revoke_key(path, "ana")
    with pytest.raises(KeysError, match="no key 'ana'"):
        revoke_key(path, "ana")
    second = add_key(path, "ana")
    ring = KeyRing(path)
    assert (ring.name_of(first.encode()), ring.name_of(second.encode())) == ("", "ana")


def test_what_is_added_and_revoked_counts_at_once(path: Path) -> None:
    ring = KeyRing(path)
    assert ring.name_of(b"fn_nothing") == ""
    ana = add_key(path, "ana").encode()
    assert ring.name_of(ana) == "ana"
    ben = add_key(path, "ben").encode()
    assert (ring.name_of(ana), ring.name_of(ben)) == ("ana", "ben")
    revoke_key(path, "ana")
    assert (ring.name_of(ana), ring.name_of(ben)) == ("", "ben")
    path.unlink()
    assert ring.name_of(ben) == ""


@pytest.mark.parametrize("key", [b"", b"fn_", b"\xff\xfe", b"x" * 100_000])
def test_what_is_no_key_has_no_name(path: Path, key: bytes) -> None:
    add_key(path, "ana")
    assert KeyRing(path).name_of(key) == ""


def test_the_hash_that_is_kept_is_no_key(path: Path) -> None:
    add_key(path, "ana")
    assert KeyRing(path).name_of(read_keys(path)[0].sha256.encode()) == ""


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "keys": [{}]}', '{"format": 2, "keys": []}']
)
def test_a_damaged_file_lets_nobody_in(path: Path, body: str) -> None:
    key = add_key(path, "ana").encode()
    ring = KeyRing(path)
    assert ring.name_of(key) == "ana"
    path.write_text(body)
    for _ in range(2):  # not the second time either
        with pytest.raises(KeysError):
            ring.name_of(key)
    with pytest.raises(KeysError):
        add_key(path, "ben")
    assert path.read_text() == body


def _add(path: Path, name: str) -> None:
    add_key(path, name)


def test_keys_added_by_several_processes_are_all_kept(path: Path) -> None:
    names = [f"user-{n}" for n in range(8)]
    context = multiprocessing.get_context("fork")
    adding = [context.Process(target=_add, args=(path, name)) for name in names]
    for process in adding:
        process.start()
    for process in adding:
        process.join(30)
    assert sorted(one.name for one in read_keys(path)) == names
    assert json.loads(path.read_text())["format"] == 1
