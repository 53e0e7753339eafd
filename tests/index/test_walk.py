"""What the file system can do to a reader, and what comes of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from index.errors import SkipFile, SourceError
from index.walk import FoundFile, Stat, read, walk

LIMIT = 1000


def look(root: Path, exclude: Path | None = None) -> tuple[list[str], dict[str, str]]:
    """Sources of the files found, and the reasons for those left out."""
    found, skipped = walk(root, exclude=exclude or root / "no-such-folder", max_bytes=LIMIT)
    return [file.source for file in found], {skip.source: skip.reason for skip in skipped}


def the_file(root: Path) -> FoundFile:
    ((file,), _) = walk(root, exclude=root / "no-such-folder", max_bytes=LIMIT)
    return file


def reason_of(root: Path, file: FoundFile) -> str:
    with pytest.raises(SkipFile) as caught:
        read(root, file, max_bytes=LIMIT)
    return caught.value.reason


def test_files_are_found_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a.txt", "a/b/c.txt", "A.TXT"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert look(tmp_path) == (["A.TXT", "a.txt", "a/b/c.txt", "a/z.md", "b.txt"], {})


def test_hidden_files_and_folders_are_passed_over_without_a_word(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "notes.txt").write_text("x")
    (tmp_path / ".notes.txt").write_text("x")
    assert look(tmp_path) == ([], {})


def test_other_kinds_of_files_are_left_out_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_text("x")
    (tmp_path / "README").write_text("x")
    (tmp_path / "big.txt").write_bytes(b"x" * (LIMIT + 1))
    (tmp_path / "full.txt").write_bytes(b"x" * LIMIT)
    assert look(tmp_path) == (
        ["full.txt"],
        {"model.pkl": "unsupported", "README": "unsupported", "big.txt": "too_large"},
    )


def test_a_sparse_terabyte_is_told_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as stream:
        stream.truncate(1 << 40)
    assert look(tmp_path)[1] == {"huge.txt": "too_large"}


def test_links_are_not_followed_wherever_they_lead(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "secret.txt").write_text("secret")
    (root / "own.txt").write_text("own")
    (root / "file.txt").symlink_to(outside / "secret.txt")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "self.txt").symlink_to("self.txt")
    (root / "inside.txt").symlink_to("own.txt")
    (root / "nowhere.txt").symlink_to("gone")
    links = dict.fromkeys(["file.txt", "folder", "loop", "self.txt", "inside.txt", "nowhere.txt"], "symlink")
    assert look(root) == (["own.txt"], links)


def test_what_is_no_regular_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    monkeypatch.chdir(tmp_path)  # the path of a socket is at most 108 bytes long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.md")
        assert look(tmp_path) == ([], {"pipe.txt": "not_regular", "socket.md": "not_regular"})


@pytest.mark.parametrize(
    "name",
    [
        *(b"two\nlines.txt", b"tab\there.txt", b"esc\x1b[2J.txt", b"-rf.txt", b"<img onerror=x>.txt", b"a..%2f.txt"),
        *(
            "\u202egpj.txt".encode(),
            "🚢.txt".encode(),
            b"\xff\xfe.txt",
            b"caf\xe9.txt",
            b"q'\".txt",
            b"x" * 251 + b".txt",
        ),
        *(b"x....txt", b" .txt", b"trailing .txt"),
    ],
)
def test_a_file_of_any_name_is_found_and_read(tmp_path: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as stream:  # noqa: PTH123
        stream.write(b"Ships came.")
    file = the_file(tmp_path)
    assert file.path == name
    assert file.source == name.decode("utf-8", "replace")
    file.source.encode()  # no lone surrogate: it can be written as JSON
    assert read(tmp_path, file, max_bytes=LIMIT)[0] == b"Ships came."


def test_the_data_folder_inside_the_source_is_not_looked_into_by_any_spelling(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "own.txt").write_text("x")
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for spelling in (tmp_path / "data", tmp_path / "data" / ".." / "data", tmp_path / "link"):
        assert look(tmp_path, exclude=spelling)[0] == ["note.txt"]
    assert look(tmp_path)[0] == ["data/deep/own.txt", "note.txt"]  # null control: without it the folder is looked into


def test_folders_deeper_than_any_library_end_the_walk(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(70):
        folder = folder / "d"
        folder.mkdir()
        (folder / "note.txt").write_text("x")
    found, skipped = look(tmp_path)
    assert len(found) == 64
    assert list(skipped.values()) == ["path_limit"]


def test_a_path_longer_than_the_system_takes_ends_the_walk(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=handle)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    assert list(look(tmp_path)[1].values()) == ["path_limit"]


def test_a_missing_source_and_a_file_for_one_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened") as missing:
        look(tmp_path / "gone")
    assert "--source" in missing.value.remedy
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(SourceError, match="not a folder"):
        look(tmp_path / "file.txt")


# -- between the scan and the reading --------------------------------------------------------------------------------


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _grow(path: Path) -> None:
    path.write_bytes(b"x" * (LIMIT + 1))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("swap", "reason"),
    [
        *((_fifo, "not_regular"), (_link, "symlink"), (_folder, "not_regular"), (Path.unlink, "vanished")),
        (_grow, "too_large"),
    ],
)
def test_what_was_put_in_place_of_a_file_is_not_read(tmp_path: Path, swap: Callable[[Path], None], reason: str) -> None:
    (tmp_path / "note.txt").write_text("Ships came.")
    file = the_file(tmp_path)
    swap(tmp_path / "note.txt")
    assert reason_of(tmp_path, file) == reason


def test_a_folder_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "notes", outside):
        folder.mkdir(parents=True)
        (folder / "note.txt").write_text("secret" if folder is outside else "own")
    file = the_file(root)
    (root / "notes").rename(tmp_path / "aside")
    (root / "notes").symlink_to(outside)
    assert (root / "notes" / "note.txt").read_text() == "secret"  # it would be read by path
    assert reason_of(root, file) == "vanished"


def test_a_file_replaced_after_the_scan_is_read_with_the_stat_of_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Old.")
    file = the_file(tmp_path)
    (tmp_path / "new.txt").write_text("Newer words.")
    (tmp_path / "new.txt").rename(path)
    data, stat = read(tmp_path, file, max_bytes=LIMIT)
    assert data == b"Newer words." and stat == Stat.of(path.stat()) != file.stat


class Meddler:
    """Changes the file each time its stat has been taken, as a writer in another process would; ``times`` times."""

    def __init__(self, path: Path, times: int) -> None:
        self.path, self.times, self.fstat = path, times, os.fstat

    def __call__(self, handle: int) -> os.stat_result:
        result = self.fstat(handle)
        if self.times:
            self.times -= 1
            with self.path.open("ab") as stream:
                stream.write(b" More.")
        return result


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_file_that_grows_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Ships.")
    file = the_file(tmp_path)
    monkeypatch.setattr("index.walk.os.fstat", Meddler(path, times))
    data, stat = read(tmp_path, file, max_bytes=LIMIT)
    assert data.decode() == "Ships." + " More." * times == path.read_text()
    assert stat.size == len(data)


def test_a_file_that_never_rests_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Ships.")
    file = the_file(tmp_path)
    monkeypatch.setattr("index.walk.os.fstat", Meddler(path, 1000))
    assert reason_of(tmp_path, file) == "unstable"


# -- as somebody who may not read everything: root may, so another user is asked -------------------------------------

_AS_NOBODY = """
import os, sys
from pathlib import Path
from index.walk import FoundFile, Stat, read, walk
from index.errors import SkipFile
import index.parse.plain
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
root = Path(sys.argv[1])
found, skipped = walk(root, exclude=root / "none", max_bytes=1000)
for skip in skipped:
    print(skip.source, skip.reason)
for file in found:
    try:
        print(file.source, read(root, file, max_bytes=1000)[0].decode())
    except SkipFile as skip:
        print(file.source, skip.reason)
"""


def as_nobody(root: Path) -> list[str]:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    for folder in [root, *root.parents]:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)  # pytest's own temporary folders are closed to others
    run = subprocess.run([sys.executable, "-c", _AS_NOBODY, str(root)], capture_output=True, text=True, check=False)
    if run.returncode and "PermissionError" in run.stderr:
        pytest.skip("becoming another user is not permitted here")
    assert run.returncode == 0, run.stderr
    return sorted(run.stdout.splitlines())


def test_what_may_not_be_opened_is_unreadable_and_the_rest_is_read(tmp_path: Path) -> None:
    root = tmp_path / "documents"
    for folder in (root / "closed", root / "blind"):
        folder.mkdir(parents=True)
        (folder / "note.txt").write_text("x")
    (root / "good.txt").write_text("Ships.")
    (root / "shut.txt").write_text("Secret.")
    root.chmod(0o755)
    (root / "good.txt").chmod(0o644)
    (root / "shut.txt").chmod(0)
    (root / "closed").chmod(0)
    (root / "blind").chmod(0o744)  # its names can be listed, but nothing below it opened
    assert as_nobody(root) == [
        "blind/note.txt unreadable",
        "closed unreadable",
        "good.txt Ships.",
        "shut.txt unreadable",
    ]
